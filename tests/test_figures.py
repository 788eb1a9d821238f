"""Figures: every number with a unit that a passage states, with what it measures, its date and its change."""

import math
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.banks import load_bank_book
from kb.records import Figure
from kb.tag.amounts import normal_unit
from kb.tag.figures import find_figures


class G(NamedTuple):
    """An expected figure. `change` is None where the text tells of none."""

    text: str
    value: float
    unit: str
    name: str
    date: str = ""
    change: float | None = None
    change_unit: str = ""


GOLD: list[tuple[str, list[G]]] = [
    (
        "截至2019年末，本行各项存款余额达人民币1208.36亿元，较年初增长9.4%。",
        [
            G("1208.36亿元", 120836000000.0, "元", "各项存款余额", "2019-12-31", 9.4, "%"),
        ],
    ),
    (
        "2020年，全行实现营业收入58.7亿元，同比增长6.3%；净利润21.05亿元，同比下降1.2%。",
        [
            G("58.7亿元", 5870000000.0, "元", "营业收入", "2020-12-31", 6.3, "%"),
            G("21.05亿元", 2105000000.0, "元", "净利润", "2020-12-31", -1.2, "%"),
        ],
    ),
    (
        "不良贷款率1.47%，较2018年末下降0.16个百分点",
        [
            G("1.47%", 1.47, "%", "不良贷款率", "", -0.16, "个百分点"),
        ],
    ),
    (
        "资本充足率 13.25%，比上年末提高35bp。",
        [
            G("13.25%", 13.25, "%", "资本充足率", "", 0.35, "个百分点"),
        ],
    ),
    (
        "截至2021年6月末，手机银行注册用户突破420万户，月活用户86.3万户。",
        [
            G("420万户", 4200000.0, "户", "手机银行注册用户", "2021-06-30"),
            G("86.3万户", 863000.0, "户", "月活用户", "2021-06-30"),
        ],
    ),
    (
        "三季度以来投放绿色贷款12.8亿元",
        [
            G("12.8亿元", 1280000000.0, "元", "投放绿色贷款", ""),
        ],
    ),
    (
        "该行在全省建成3200家便民服务点，覆盖九成以上的行政村。",
        [
            G("3200家", 3200.0, "家", "便民服务点", ""),
            G("九成以上", 90.0, "%", "行政村", ""),
        ],
    ),
    (
        "68.5%的受访农商行已经制定了数字化转型规划",
        [
            G("68.5%", 68.5, "%", "受访农商行已经制定了数字化转型规划", ""),
        ],
    ),
    (
        "四分之一的被访机构没有专职数据岗位。",
        [
            G("四分之一", 25.0, "%", "被访机构没有专职数据岗位", ""),
        ],
    ),
    (
        "近七成客户通过线上渠道办理业务",
        [
            G("近七成", 70.0, "%", "客户通过线上渠道办理业务", ""),
        ],
    ),
    (
        "开户时间由40分钟缩短到8分钟。",
        [
            G("8分钟", 8.0, "分钟", "开户时间", "", -32.0, "分钟"),
        ],
    ),
    (
        "系统处理能力从800TPS提升到5500TPS",
        [
            G("5500TPS", 5500.0, "TPS", "系统处理能力", "", 4700.0, "TPS"),
        ],
    ),
    (
        "人均产能从2017年的35万元提高到2019年的52万元。",
        [
            G("52万元", 520000.0, "元", "人均产能", "2019-12-31", 170000.0, "元"),
        ],
    ),
    (
        "零售贷款余额86亿元，是2015年末的3.2倍。",
        [
            G("86亿元", 8600000000.0, "元", "零售贷款余额", ""),
        ],
    ),
    (
        "单笔审批时间不足3分钟",
        [
            G("不足3分钟", 3.0, "分钟", "单笔审批时间", ""),
        ],
    ),
    (
        "全行科技人员达到412人，占员工总数的6.1%。",
        [
            G("412人", 412.0, "人", "科技人员", ""),
            G("6.1%", 6.1, "%", "占员工总数", ""),
        ],
    ),
    (
        "为小微企业提供5-300万元信用贷款",
        [
            G("5-300万元", 50000.0, "元", "信用贷款", ""),
        ],
    ),
    (
        "年化利率在4.2%~6.8%之间",
        [
            G("4.2%~6.8%", 4.2, "%", "年化利率", ""),
        ],
    ),
    (
        "面向22-60周岁的居民",
        [
            G("22-60周岁", 22.0, "岁", "居民", ""),
        ],
    ),
    (
        "系统改造投入八千余万元",
        [
            G("八千余万元", 80000000.0, "元", "系统改造投入", ""),
        ],
    ),
    (
        "新增功能两百余项",
        [
            G("两百余项", 200.0, "项", "新增功能", ""),
        ],
    ),
    (
        "拨备覆盖率（238.4%）高于监管要求",
        [
            G("238.4%", 238.4, "%", "拨备覆盖率", ""),
        ],
    ),
    (
        "战略维度（占21%）和组织维度（占17%）",
        [
            G("21%", 21.0, "%", "战略维度", ""),
            G("17%", 17.0, "%", "组织维度", ""),
        ],
    ),
    (
        "截至2022年３月末，普惠贷款余额３２０．５亿元，占比１８％",
        [
            G("３２０．５亿元", 32050000000.0, "元", "普惠贷款余额", "2022-03-31"),
            G("１８％", 18.0, "%", "普惠贷款余额", "2022-03-31"),
        ],
    ),
    (
        "合作商户1,280家，交易笔数2,350.6万笔。",
        [
            G("1,280家", 1280.0, "家", "合作商户", ""),
            G("2,350.6万笔", 23506000.0, "笔", "交易笔数", ""),
        ],
    ),
    (
        "客户满意度\n98.2%，居全省前列。",
        [
            G("98.2%", 98.2, "%", "客户满意度", ""),
        ],
    ),
    (
        "指标：农户建档数(万户)\n2020年末：45.2\n2019年末：38\n变动情况：18.95%",
        [
            G("45.2", 452000.0, "户", "农户建档数", "2020-12-31"),
            G("38", 380000.0, "户", "农户建档数", "2019-12-31"),
            G("18.95%", 18.95, "%", "农户建档数", "", 18.95, "%"),
        ],
    ),
    (
        "银行：某银行\n线上贷款占比：37%",
        [
            G("37%", 37.0, "%", "线上贷款占比", ""),
        ],
    ),
    (
        "累计支持农户1.2万户，授信9.6亿元，户均8万元。",
        [
            G("1.2万户", 12000.0, "户", "累计支持农户", ""),
            G("9.6亿元", 960000000.0, "元", "授信", ""),
            G("8万元", 80000.0, "元", "户均", ""),
        ],
    ),
    (
        "公司贷款同比增长20%",
        [
            G("20%", 20.0, "%", "公司贷款", "", 20.0, "%"),
        ],
    ),
    (
        "存款总额较年初增长11.2%至935亿元。",
        [
            G("935亿元", 93500000000.0, "元", "存款总额", "", 11.2, "%"),
        ],
    ),
    (
        "贷款余额同比增长12.5%，达到640亿元。",
        [
            G("12.5%", 12.5, "%", "贷款余额", "", 12.5, "%"),
            G("640亿元", 64000000000.0, "元", "贷款余额", ""),
        ],
    ),
    (
        "2018年末该行总资产为2.15万亿元",
        [
            G("2.15万亿元", 2150000000000.0, "元", "总资产", "2018-12-31"),
        ],
    ),
    (
        "注册资本30亿元人民币",
        [
            G("30亿元人民币", 3000000000.0, "元", "注册资本", ""),
        ],
    ),
    (
        "发行境外债券3亿美元",
        [
            G("3亿美元", 300000000.0, "美元", "发行境外债券", ""),
        ],
    ),
    (
        "首批上线16个场景",
        [
            G("16个", 16.0, "个", "场景", ""),
        ],
    ),
    (
        "每年可减少纸张用量约25吨",
        [
            G("约25吨", 25.0, "吨", "每年可减少纸张用量", ""),
        ],
    ),
    (
        "处理时效提高了60%",
        [
            G("60%", 60.0, "%", "处理时效", "", 60.0, "%"),
        ],
    ),
    (
        "上线半年即发展会员8 600多人",
        [
            G("8 600多人", 8600.0, "人", "上线半年即发展会员", ""),
        ],
    ),
    (
        "信用卡发卡量（截至2020年末）达到150万张",
        [
            G("150万张", 1500000.0, "张", "信用卡发卡量", "2020-12-31"),
        ],
    ),
    (
        "成立于1996年，现有45家分支机构",
        [
            G("45家", 45.0, "家", "分支机构", ""),
        ],
    ),
    (
        "2019年获得专利12项，其中发明专利5项。",
        [
            G("12项", 12.0, "项", "获得专利", "2019-12-31"),
            G("5项", 5.0, "项", "发明专利", "2019-12-31"),
        ],
    ),
    (
        "员工平均年龄31岁",
        [
            G("31岁", 31.0, "岁", "员工平均年龄", ""),
        ],
    ),
    (
        "数据中心占地面积1.8万平方米",
        [
            G("1.8万平方米", 18000.0, "平方米", "数据中心占地面积", ""),
        ],
    ),
    (
        "贷款审批通过率提升12个百分点",
        [
            G("12个百分点", 12.0, "个百分点", "贷款审批通过率", "", 12.0, "个百分点"),
        ],
    ),
    (
        "投诉率为千分之二",
        [
            G("千分之二", 0.2, "%", "投诉率", ""),
        ],
    ),
    (
        "绑卡客户210万人，同比多增35万人",
        [
            G("210万人", 2100000.0, "人", "绑卡客户", "", 350000.0, "人"),
        ],
    ),
    (
        "从“网点坐商”转向线上，2016年7月14日至10月24日，试运行期间放款3.4亿元。",
        [
            G("3.4亿元", 340000000.0, "元", "试运行期间放款", "2016-10-24"),
        ],
    ),
    (
        "全年累计压降成本1500万元",
        [
            G("1500万元", 15000000.0, "元", "全年累计压降成本", ""),
        ],
    ),
    (
        "80%以上的柜面业务可以自助办理",
        [
            G("80%以上", 80.0, "%", "柜面业务可以自助办理", ""),
        ],
    ),
    (
        "资产利润率和资本利润率分别为0.92%和11.3%，分别较上年末下降0.05和0.4个百分点。",
        [
            G("0.92%", 0.92, "%", "资产利润率和资本利润率", "", -0.05, "个百分点"),
            G("11.3%", 11.3, "%", "资产利润率和资本利润率", "", -0.4, "个百分点"),
        ],
    ),
    (
        "截至2023年6月末，绿色信贷余额77.3亿元。涉农贷款余额102亿元。",
        [
            G("77.3亿元", 7730000000.0, "元", "绿色信贷余额", "2023-06-30"),
            G("102亿元", 10200000000.0, "元", "涉农贷款余额", "2023-06-30"),
        ],
    ),
    (
        "与2021年末相比，贷款余额增加25亿元",
        [
            G("25亿元", 2500000000.0, "元", "贷款余额", "", 2500000000.0, "元"),
        ],
    ),
    (
        "2020年上半年，手机银行交易额达4500亿元（2019年同期为3100亿元）。",
        [
            G("4500亿元", 450000000000.0, "元", "手机银行交易额", "2020-06-30"),
            G("3100亿元", 310000000000.0, "元", "手机银行交易额", ""),
        ],
    ),
    (
        "利率下调25个基点",
        [
            G("25个基点", 0.25, "个百分点", "利率", "", -0.25, "个百分点"),
        ],
    ),
    (
        "风险模型覆盖15个细分行业、380多个变量",
        [
            G("15个", 15.0, "个", "细分行业", ""),
            G("380多个", 380.0, "个", "变量", ""),
        ],
    ),
    (
        "近三年科技投入年均增长15%",
        [
            G("15%", 15.0, "%", "科技投入", "", 15.0, "%"),
        ],
    ),
    (
        "累计服务客户超过1000万",
        [
            G("超过1000万", 10000000.0, "户", "累计服务客户", ""),
        ],
    ),
    (
        "客户经理人均管户由120户增至260户",
        [
            G("260户", 260.0, "户", "客户经理人均管户", "", 140.0, "户"),
        ],
    ),
    (
        "前三季度中间业务收入4.6亿元，占营业收入的11.8%。",
        [
            G("4.6亿元", 460000000.0, "元", "中间业务收入", "2020-09-30"),
            G("11.8%", 11.8, "%", "占营业收入", "2020-09-30"),
        ],
    ),
    (
        "人民币贷款余额3,045亿元，外币贷款余额2.1亿美元",
        [
            G("3,045亿元", 304500000000.0, "元", "人民币贷款余额", ""),
            G("2.1亿美元", 210000000.0, "美元", "外币贷款余额", ""),
        ],
    ),
    (
        "涉农贷款增速为14.2%，高出各项贷款增速3.1个百分点",
        [
            G("14.2%", 14.2, "%", "涉农贷款增速", "", 3.1, "个百分点"),
        ],
    ),
    (
        "2019Q3零售客户资产达1560亿元",
        [
            G("1560亿元", 156000000000.0, "元", "零售客户资产", "2019-09-30"),
        ],
    ),
    (
        "二十三家村镇银行接入平台",
        [
            G("二十三家", 23.0, "家", "村镇银行", ""),
        ],
    ),
    (
        "2018年5月产品上线，当年放款1.6亿元",
        [
            G("1.6亿元", 160000000.0, "元", "放款", "2018-12-31"),
        ],
    ),
    (
        "物理网点由86家减至71家",
        [
            G("71家", 71.0, "家", "物理网点", "", -15.0, "家"),
        ],
    ),
    (
        "受访银行比例分别上升了9.8和6.1个百分点",
        [
            G("9.8", 9.8, "个百分点", "受访银行比例", "", 9.8, "个百分点"),
            G("6.1个百分点", 6.1, "个百分点", "受访银行比例", "", 6.1, "个百分点"),
        ],
    ),
    (
        "47%的村镇银行和26%的城商行尚未设立数据部门",
        [
            G("47%", 47.0, "%", "村镇银行", ""),
            G("26%", 26.0, "%", "城商行尚未设立数据部门", ""),
        ],
    ),
    (
        "数据中台日均调用1200万次，平均响应80毫秒。",
        [
            G("1200万次", 12000000.0, "次", "数据中台日均调用", ""),
            G("80毫秒", 80.0, "毫秒", "平均响应", ""),
        ],
    ),
    (
        "每年节约人力成本近300万元",
        [
            G("近300万元", 3000000.0, "元", "每年节约人力成本", ""),
        ],
    ),
    (
        "智能客服应答准确率高达96.5%，替代人工坐席70余个。",
        [
            G("96.5%", 96.5, "%", "智能客服应答准确率", ""),
            G("70余个", 70.0, "个", "替代人工坐席", ""),
        ],
    ),
]

NONE = [
    "2018年3月5日，见图3-8和表5-2，第3章第12页。",
    "（一）战略；1. 组织；（2）技术",
    "电话：021-12345678，地址：解放路88号6楼",
    "5G时代的2B业务，API 2.0，4.0版本，IPv6、H5、T+1到账",
    "银发〔2018〕1号，入选100强，第5届论坛",
    "三个方面，两大举措，十分重要，千家万户，百年老店",
    "《三年行动计划（2022-2025年）》《绿色金融方案（2021年版）》《支持30家企业的意见》",
    "“数据20条”发布，7×24小时服务，五年规划，3年期产品",
    "发表在2023年第6期，前十名股东，排名在73位",
    "一级科技部门，四级架构，T0级，P2P网贷，二元体制",
    "",
]


@pytest.mark.parametrize(("text", "expected"), GOLD)
def test_gold(text: str, expected: list[G]):
    found = [G(f.text, f.value, f.unit, f.name, f.date, f.change, f.change_unit) for f in find_figures(text, 2020)]
    assert found == expected


@pytest.mark.parametrize("text", NONE)
def test_not_figures(text: str):
    assert find_figures(text, 2020) == ()


@pytest.mark.parametrize("text", [text for text, _ in GOLD])
def test_offsets_and_words_are_verbatim(text: str):
    for figure in find_figures(text, 2020):
        assert text[figure.start : figure.end] == figure.text
        assert figure.name in text
        assert figure.as_of in text
        assert figure.comparison in text


def one(text: str, year: int | None = None) -> Figure:
    """The only figure of a text."""
    (figure,) = find_figures(text, year)
    return figure


@pytest.mark.parametrize(
    ("written", "value", "unit"),
    [
        ("2.5万亿元", 2.5e12, "元"),
        ("3千万元", 3e7, "元"),
        ("1,234.5亿元", 1.2345e11, "元"),
        ("８０％", 80, "%"),
        ("12\n万户", 120_000, "户"),
        ("640 万 户", 6_400_000, "户"),
        ("35bp", 0.35, "个百分点"),
        ("40BPs", 0.4, "个百分点"),
        ("3‰", 0.3, "%"),
        ("万分之5", 0.05, "%"),
        ("百分之八十", 80, "%"),
        ("三分之二", 66.6666666667, "%"),
        ("1/4", 25, "%"),
        ("三成半", 35, "%"),
        ("七到八成", 70, "%"),
        ("10秒钟", 10, "秒"),
        ("超半数", 50, "%"),
        ("一百零五家", 105, "家"),
        ("四五千万元", 4e7, "元"),
        ("四千至五千万元", 4e7, "元"),
        ("二十多万人次", 200_000, "人次"),
        ("两分钟", 2, "分钟"),
        ("10余年", 10, "年"),
        ("18-65周岁", 18, "岁"),
        ("20百分点", 20, "个百分点"),
        ("5 MB", 5, "MB"),
    ],
)
def test_values_are_worked_out(written: str, value: float, unit: str):
    figure = one(f"规模{written}。")
    assert (figure.text, figure.value, figure.unit) == (written, value, unit)


def test_a_cell_takes_the_unit_of_its_column():
    figure = one("银行：某银行\n贷款余额(亿元)：−12.5")
    assert (figure.name, figure.value, figure.unit) == ("贷款余额", -1.25e9, "元")


@pytest.mark.parametrize(
    ("before", "written", "value", "name"),
    [
        ("净利润为", "-3.5亿元", -3.5e8, "净利润"),
        ("净利润增速为", "-12.5%", -12.5, "净利润增速"),
        ("GDP增速", "－2.1%", -2.1, "GDP增速"),
        ("收益率为", "−0.5%", -0.5, "收益率"),
        ("净现金流 ", "-2,667.2亿元", -2.6672e11, "净现金流"),
        ("现金流——", "-3.5亿元", -3.5e8, "现金流"),
        ("净利润", "约-5万元", -5e4, "净利润"),
        ("资产收益率（", "-5%", -5, "资产收益率"),
        ("资产收益率", "-5%至-3%", -5, "资产收益率"),
        ("资产收益率", "-5%~3%", -5, "资产收益率"),
        ("资产收益率：2019年 ", "-5%", -5, "资产收益率"),
        ("资产收益率较年初", "-5%", -5, "资产收益率较"),
        ("", "-3.5%", -3.5, ""),
    ],
)
def test_a_minus_sign_belongs_to_its_number(before: str, written: str, value: float, name: str):
    figure = one(before + written)
    assert (figure.text, figure.start, figure.value, figure.name) == (written, len(before), value, name)


@pytest.mark.parametrize(
    ("before", "written", "value"),
    [
        ("贷款规模", "5-10亿元", 5e8),
        ("贷款规模", "0.5-50万元", 5e3),
        ("贷款规模", "5亿元 -10亿元", 5e8),
        ("贷款规模", "10余万元-20余万元", 1e5),
        ("客户年龄", "22岁-60岁", 22),
        ("占比", "2%-5%", 2),
        ("占比", "三成-5成", 30),
        ("占比", "5%左右-10%", 5),
        ("贷款规模—", "3.5亿元", 3.5e8),
        ("贷款规模——", "3.5亿元", 3.5e8),
        ("贷款规模--", "3.5亿元", 3.5e8),
        ("网点为第5家-", "10家", 10),
        ("网点为五个-", "10个", 10),
        ("产品B-", "5亿元", 5e8),
        ("贷款规模2019年-", "5亿元", 5e8),
        ("贷款规模2019年6月末-", "5亿元", 5e8),
    ],
)
def test_a_dash_is_no_minus_sign(before: str, written: str, value: float):
    figure = one(before + written)
    assert (figure.text, figure.start, figure.value) == (written, len(before), value)


@pytest.mark.parametrize("text", ["2019-2021年", "报告-2023年", "收入-2019年6月末", "营业-1月至-5月", "专线-21年1月"])
def test_a_dash_before_a_date_makes_it_no_figure(text: str):
    assert find_figures(text, 2020) == ()


def test_signs_in_a_list_and_in_a_move():
    assert [figure.value for figure in find_figures("利差为-3.5和-2.1个百分点")] == [-3.5, -2.1]
    assert [figure.value for figure in find_figures("存款增速\n5%\n-3%\n贷款增速")] == [5, -3]
    figure = one("收益率由-3.5%升至-1.4%")
    assert (figure.value, figure.change) == (-1.4, 2.1)


@pytest.mark.parametrize("verb", ["增长", "下降"])
def test_a_negative_change_is_a_fall_whatever_its_verb(verb: str):
    alone = one(f"净利润同比{verb}-3.5%")
    assert (alone.text, alone.value, alone.change) == ("-3.5%", -3.5, -3.5)
    level = one(f"净利润2亿元，同比{verb}-3.5%")
    assert (level.value, level.change) == (2e8, -3.5)


def test_a_cell_that_tells_of_a_fall_twice():
    (figure,) = find_figures("项目：净资产收益率\n较上年同期增减(%)：下降 -0.78个百分点")
    assert (figure.text, figure.change) == ("-0.78个百分点", -0.78)


def test_a_sign_of_another_kind_in_the_last_line():
    text = "存款增速\n-5%\n贷款增速\n−4%"
    assert [figure.name for figure in find_figures(text)] == ["存款增速", "贷款增速"]


@pytest.mark.parametrize("unit", ["元", "万亿元", "十万亿元", "%"])
def test_numbers_of_more_than_20_digits_are_codes(unit: str):
    assert find_figures("资产" + "9" * 297 + unit) == ()
    assert find_figures("资产" + "9" * 21 + unit) == ()
    assert find_figures("资产(亿元)：" + "9" * 400) == ()
    assert math.isfinite(one("资产" + "9" * 20 + unit).value)


def test_names_go_by_the_bank_list_given(tmp_path: Path):
    path = tmp_path / "banks.csv"
    path.write_text("name,kind,region,aliases,former\n星海农商银行,农商行,浙江 台州,星海金服,\n", encoding="utf-8")
    text = "星海金服绿色信贷规模达327亿元"
    (figure,) = find_figures(text, None, load_bank_book(path))
    assert (figure.name, one(text).name) == ("绿色信贷规模", "星海金服绿色信贷规模")


@pytest.mark.parametrize(
    ("written", "unit"),
    [
        ("亿元", "元"),
        (" 万元 ", "元"),
        ("万亿元人民币", "元"),
        ("亿美元", "美元"),
        ("bp", "个百分点"),
        ("BP", "个百分点"),
        ("BPs", "个百分点"),
        ("基点", "个百分点"),
        ("％", "%"),
        ("‰", "%"),
        ("万户", "户"),
        ("名", "人"),
        ("千克", "千克"),
        ("mb", "MB"),
        ("个", "个"),
        ("光年", "光年"),
        ("", ""),
    ],
)
def test_units_as_a_person_writes_them(written: str, unit: str):
    assert normal_unit(written) == unit


def test_names_of_shares():
    text = "46%与25%的银行已着手数字化。但44%银行已经完成规划，平均仅有12%的银行推广了能力。"
    assert [figure.name for figure in find_figures(text)] == [
        "银行已着手数字化",
        "银行已着手数字化",
        "银行已经完成规划",
        "银行推广了能力",
    ]


def test_a_balance_date_does_not_hold_for_a_survey():
    margin, answers = find_figures("2022年末，净息差1.9%。问卷显示，80%的受访银行感到压力。", 2023)
    assert (margin.date, answers.date) == ("2022-12-31", "")


def test_a_move_between_two_dates():
    figure = one("不良率从 2014 年的 1.68% 升高到 2017 年末的 3.16%。")
    assert (figure.name, figure.value, figure.date) == ("不良率", 3.16, "2017-12-31")
    assert (figure.change, figure.change_unit) == (1.48, "个百分点")


def test_a_cell_may_say_which_way_it_went():
    (figure,) = find_figures("项目：净资产收益率\n较上年同期增减(%)：下降 0.78个百分点")
    assert (figure.name, figure.change, figure.change_unit) == ("净资产收益率", -0.78, "个百分点")


def test_a_share_in_a_table_has_the_name_of_its_row():
    (figure,) = find_figures("行业：房地产业\n占比(%)：8.91")
    assert (figure.name, figure.value, figure.unit) == ("房地产业", 8.91, "%")


def test_a_number_without_unit_is_none():
    assert find_figures("战略维度（70.80）、组织维度（61.81）\n生态\n40.67\n41.95") == ()


def test_a_headline_number_is_named_by_the_line_below():
    text = "六个问题。\n86%\n已有科技战略\n98%\n设有一级科技部门"
    assert [figure.name for figure in find_figures(text)] == ["已有科技战略", "设有一级科技部门"]


def test_a_chart_label_above_its_number_names_it():
    text = "设有委员会\n50%\n落实到部门\n46%"
    assert [figure.name for figure in find_figures(text)] == ["设有委员会", "落实到部门"]


def test_the_name_is_without_the_bank():
    assert one("截至2023年6月末，广州农商银行绿色信贷规模达327亿元").name == "绿色信贷规模"


def test_last_year_is_counted_from_the_report():
    assert one("去年末客户数30万户", 2019).date == "2018-12-31"
    assert one("去年末客户数30万户").date == ""


def test_the_date_of_a_comparison_dates_nothing():
    figure = one("不良率1.2%，较2016年末下降0.1个百分点", 2018)
    assert (figure.as_of, figure.date) == ("", "")


def test_a_state_holds_on_in_the_paragraph_and_no_further():
    first, second, third = find_figures("截至2016年末，客户30万户。存款20亿元。\n贷款10亿元。")
    assert (first.date, second.date, third.date) == ("2016-12-31", "2016-12-31", "")


def test_a_second_change_only_lengthens_the_comparison():
    figure = one("贷款余额258亿元，较年初增长82亿元，增幅为47%。")
    assert figure.comparison == "较年初增长82亿元，增幅为47%"
    assert (figure.change, figure.change_unit) == (8.2e9, "元")


def test_a_change_of_something_else_is_a_figure_of_its_own():
    text = "净息差1.91%，较2021年下降17bp；净利润2.3万亿元，增速较上年下降7.2个百分点。"
    margin, profit, growth = find_figures(text, 2022)
    assert (margin.change, profit.comparison) == (-0.17, "")
    assert (growth.name, growth.change) == ("增速", -7.2)


def test_two_changes_in_a_list_are_those_of_the_last_figure():
    first, second = find_figures("网点30家，余额50亿元，较年初增加3亿元和5%。")
    assert (first.change, second.change, second.comparison) == (None, 3e8, "较年初增加3亿元和5%")


PIECES = (
    "2016年末 去年 较 同比增长 下降 至 从 提升到 20% 30亿元 5 640万 户 、 ， 。 "
    "； \n - − ： （ ） “ ” 《 》 的 分别 和 三成 贷款 是 倍"
).split(" ")


@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_any_text_is_read_verbatim(pieces: list[str]):
    text = "".join(pieces)
    end = 0
    for figure in find_figures(text, 2020):
        assert figure.start >= end
        assert text[figure.start : figure.end] == figure.text != ""
        assert figure.as_of in text and figure.comparison in text
        end = figure.end


def test_time_is_linear_in_the_text():
    for piece in (
        "2016年末不良贷款率1.53%，较年初下降0.21个百分点，",
        "1,234",
        "从500到",
        "达到达到",
        "一二三百万",
        "“",
        "《",
        "增速-3.5%",
        "-5-−",
        "9",
    ):
        began = time.perf_counter()
        find_figures(piece * (20_000 // len(piece)), 2017)
        assert time.perf_counter() - began < 3
