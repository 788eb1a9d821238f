// The page: question and filters in the address, the answer by bank below. Text from reports is only ever set as text.

const FILTERS = ["dimension", "year", "bank"];
const TITLES = {
  "not-found": "找不到",
  "nothing-matches": "没有段落符合这些条件",
  "unknown-name": "条件中有不认识的名称",
  "bad-query": "问题无法检索",
  "invalid-request": "问题或条件不合要求",
  "index-missing": "还没有索引",
  "index-damaged": "索引无法打开",
  "index-busy": "索引正在写入，请稍后再试",
  "model-mismatch": "索引与模型不一致",
  "model-unavailable": "模型无法载入",
  "not-allowed": "这个密钥没有此权限",
  "foreign-host": "没有密钥时只回答本机",
  "too-many-requests": "请求过于频繁，请稍后再试",
  "overloaded": "服务繁忙，请稍后再试",
  "timed-out": "用时过长，已放弃",
};

/** What the parts of a report are called. */
const UNITS = { page: "页", section: "节" };

const at = (id) => document.getElementById(id);
const form = at("ask"), box = at("q"), statusLine = at("status"), results = at("results");
const topics = new Map(), units = new Map();
let running = new AbortController(), entering = null;

class Problem extends Error {
  constructor(found) {
    super(found.detail);
    this.heading = TITLES[found.type.split(":").pop()] ?? found.title;
  }
}

/** An element with a class and children; strings become text nodes. */
function el(tag, name, ...children) {
  const [element, classes] = [document.createElement(tag), name ?? ""];
  if (classes) element.className = classes;
  element.append(...children.filter((child) => child !== "" && child != null));
  return element;
}

function link(text, address) {
  const anchor = el("a", "", text);
  anchor.href = address;
  return anchor;
}

/** JSON from the API. Throws a Problem for what the API reports, and for a server that does not answer. */
async function get(address, signal) {
  let response;
  try {
    response = await fetch(address, { signal, headers: { Accept: "application/json" } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ type: "offline", title: "连不上服务", detail: "服务没有回应，请确认它在运行。" });
  }
  if (response.status === 401) {
    await (entering ??= enterKey().finally(() => (entering = null)));
    return get(address, signal);
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body) return body;
  throw new Problem(body ?? { type: "broken", title: "服务出错", detail: `HTTP ${response.status}` });
}

/** Asks for a key until the server takes one, which then stands behind a cookie that no script can read. */
async function enterKey() {
  const [asking, field, why] = [at("key"), at("secret"), at("refused")];
  asking.hidden = false;
  field.focus();
  for (;;) {
    await new Promise((entered) => asking.addEventListener("submit", (event) => entered(event.preventDefault()), { once: true }));
    const begun = await fetch("/v1/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ key: field.value }),
    }).catch(() => ({ status: 0 }));
    field.value = "";
    if (begun.ok) break;
    why.textContent = { 0: "服务没有回应，请确认它在运行。", 401: "密钥无效或已停用。", 429: "尝试次数过多，请稍后再试。" }[begun.status] ?? `HTTP ${begun.status}`;
  }
  why.textContent = "";
  asking.hidden = true;
}

// the answer

/** Banks that share all their quotes as one group with several names; a passage may have another quote for each. */
function mergeBanks(banks) {
  const groups = new Map();
  for (const { bank, gist, strong, points, more_points: more } of banks) {
    const key = bank ? JSON.stringify(points.map((point) => [point.passage_id, point.quote])) : "";
    if (groups.has(key)) groups.get(key).names.push(bank);
    else groups.set(key, { names: [bank], gist, strong, points, more });
  }
  return [...groups.values()];
}

function showGroup({ names, gist, strong, points, more }) {
  const heading = el("h2", names[0] ? "" : "industry");
  names.forEach((name) => heading.append(el("span", "", name || "行业整体")));
  const told = gist ? [el("p", "gist", gist)] : [];
  const counted = more ? [el("p", "note", `另有 ${more} 条`)] : [];
  return el("section", strong ? "bank" : "bank weak", heading, el("div", "points", ...told, ...points.map(showPoint), ...counted));
}

/** Banks in their order, those with weak evidence under a heading of their own; what is about none comes last. */
function showBanks(banks) {
  const groups = mergeBanks(banks);
  const weak = groups.findIndex(({ strong }) => !strong);
  return groups.flatMap((group, at) => [...(at === weak ? [el("h3", "", "依据较弱的银行")] : []), showGroup(group)]);
}

function showPoint(point) {
  return showQuote(point, point.citation);
}

function showNearest(hit) {
  return showQuote(hit, { ...hit.doc, pages: hit.pages, labels: [], unit: units.get(hit.doc.id) });
}

function showQuote(item, citation) {
  const quote = el("blockquote", "", el("p", "", item.quote));
  const permanent = link("链接", `/v1/passages/${encodeURIComponent(item.passage_id)}`);
  const shown = link("原页", `/p/${encodeURIComponent(item.passage_id)}`);
  permanent.title = item.passage_id;
  const place = el("p", "place", showHeading(item), expandButton(item, quote), shown, permanent);
  const also = showAlso(item);
  const source = el("div", "source", showTags(item), el("p", "citation", citationLine(citation)), ...also);
  return el("article", "point", el("div", "", quote, place), source);
}

/** Where the same is said elsewhere: citations of a point, or the reports of a hit. */
function showAlso({ also }) {
  const cited = also.map((other) => ("places" in other ? other : { ...other.doc, pages: other.pages, labels: [], unit: units.get(other.doc.id) }));
  return cited.map((citation) => el("p", "citation", `另见 ${citationLine(citation)}`));
}

function showTags({ dimension, topics: ids, role }) {
  const labels = ids.map((id) => topics.get(id) ?? id);
  const tags = [dimension && el("b", "", dimension), ...labels.map((label) => el("span", "", label)), role && el("span", "", role)];
  return el("p", "tags", ...tags.filter(Boolean));
}

function showHeading({ heading }) {
  return heading.length ? el("span", "heading", heading.join(" › ")) : "";
}

function citationLine({ publisher, title, year, pages, labels, unit }) {
  const source = [publisher, `《${title}》`, year].filter(Boolean).join("，");
  const names = unit === "section" ? [...new Set(labels)].join("；") : `印刷页码 ${labels.join("、")}`;
  const printed = labels.length ? `（${names}）` : "";
  return `${source}，第 ${pages.join("、")} ${UNITS[unit] ?? UNITS.page}${printed}`;
}

/** The button that puts the whole passage in the place of its quote, and back. */
function expandButton(item, quote) {
  const button = el("button", "plain", "展开");
  let whole = null;
  button.type = "button";
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", async () => {
    const open = button.getAttribute("aria-expanded") !== "true";
    try {
      whole ??= await wholePassage(item);
    } catch (error) {
      quote.querySelector(".note")?.remove();
      quote.append(el("p", "note", error.message));
      return;
    }
    quote.replaceChildren(open ? whole : el("p", "", item.quote));
    quote.classList.toggle("whole", open);
    button.setAttribute("aria-expanded", String(open));
    button.textContent = open ? "收起" : "展开";
  });
  return button;
}

async function wholePassage({ passage_id: id, quote }) {
  const passage = await get(`/v1/passages/${encodeURIComponent(id)}`);
  const start = passage.text.indexOf(quote);
  if (start < 0) return el("p", "passage", passage.text);
  const end = start + quote.length;
  return el("p", "passage", passage.text.slice(0, start), el("mark", "", quote), passage.text.slice(end));
}

function showAbstention(nearest) {
  const heading = el("h2", "abstained", "语料中未找到直接依据");
  if (!nearest.length) return [heading];
  const label = el("h3", "", "最接近的段落");
  return [heading, el("section", "bank", label, el("div", "points", ...nearest.map(showNearest)))];
}

function showAnswer(answer, milliseconds) {
  const { coverage, banks, nearest, dropped, more_banks: more } = answer;
  results.replaceChildren(...(answer.abstained ? showAbstention(nearest) : showBanks(banks)));
  const scope = scopeLine(answer).map((line) => `${line}；`).join("");
  say(
    `${scope}检索 ${coverage.documents} 份报告、${coverage.passages.toLocaleString("zh-CN")} 段；涉及 ${coverage.banks} 家银行${more ? `（另有 ${more} 家未列出）` : ""}；` +
      `${coverage.unreadable_pages} 页不可读` +
      (coverage.unreadable_files ? `；${coverage.unreadable_files} 个文件不可读` : "") +
      (dropped ? `；${dropped} 条引文未能核实，已略去` : "") +
      ` · ${Math.round(milliseconds)} ms`,
  );
}

// one passage, where its permanent link leads

async function showPassage(passage, signal) {
  const { doc, heading, text, pages, status, successor } = passage;
  const { unit } = await get(`/v1/documents/${encodeURIComponent(doc.id)}`, signal);
  document.title = `${doc.title} · kb`;
  const citation = { ...doc, pages, labels: [], unit };
  const quote = el("blockquote", "whole", el("p", "passage", text));
  const place = el("p", "place", showHeading({ heading }));
  const source = el("div", "source", showTags(passage), el("p", "citation", citationLine(citation)));
  const replaced = status === "live" ? "" : showReplaced(successor);
  const pictures = unit === "page" ? pages.map((number) => showPage(passage, number)) : [];
  results.replaceChildren(el("section", "passage-view", replaced, el("article", "point", el("div", "", quote, place), source), ...pictures));
}

/** That a passage's report has been replaced, with the nearest passage of the new version. */
function showReplaced(successor) {
  if (!successor) return el("p", "replaced", "所在报告已有新版；新版中没有相近的段落。");
  const later = link("新版中最接近的段落", `/p/${encodeURIComponent(successor.passage_id)}`);
  return el("p", "replaced", "所在报告已有新版：", later, `（第 ${successor.pages.join("、")} 页，相似度 ${successor.similarity.toFixed(2)}）`);
}

/** The picture of a page with the passage marked; where there is none, why. */
function showPage({ passage_id: id, doc }, number) {
  const address = `/v1/documents/${encodeURIComponent(doc.id)}/pages/${number}.png?passage=${encodeURIComponent(id)}`;
  const picture = el("img");
  const figure = el("figure", "page", el("figcaption", "", `第 ${number} 页`), picture);
  picture.alt = `第 ${number} 页，段落已标出`;
  picture.addEventListener("error", async () => {
    const why = await get(address).catch((error) => error);
    picture.replaceWith(el("p", "note", why.message ?? "这一页的图无法显示。"));
  });
  picture.src = address;
  return figure;
}

// what is said above the answer

/** What was filtered by, what came first because the question names it, and which banks there is nothing about. */
function scopeLine({ filters, understood }) {
  const hard = [...filters.bank, ...filters.dimension, ...filters.topic.map((id) => topics.get(id) ?? id), ...filters.year.map((year) => `${year}年`), ...filters.report];
  const present = understood.banks.filter((bank) => !understood.absent.includes(bank));
  const soft = [...present, ...understood.reports.map(({ title }) => title)].filter((name) => !hard.includes(name));
  const { absent } = understood;
  return [
    hard.length && `按 ${hard.join("、")} 筛选`,
    soft.length && `按 ${soft.join("、")} 优先`,
    absent.length && `语料中没有 ${absent.join("、")} 的段落`,
  ].filter(Boolean);
}

function say(text, kind = "") {
  statusLine.className = kind;
  statusLine.replaceChildren(text);
}

function showProblem(error) {
  results.replaceChildren();
  say("", "error");
  statusLine.append(el("b", "", error.heading ?? "页面出错"), el("span", "", error.message));
}

// the question and its address

function fromAddress() {
  const wanted = new URLSearchParams(location.search);
  box.value = wanted.get("q") ?? "";
  for (const name of FILTERS) choose(at(name), wanted.get(name) ?? "");
}

function choose(field, value) {
  if (field.tagName === "SELECT" && ![...field.options].some((option) => option.value === value)) {
    field.add(new Option(value, value));
  }
  field.value = value;
}

function parameters() {
  const wanted = new URLSearchParams();
  for (const name of ["q", ...FILTERS]) {
    const value = at(name).value.trim();
    if (value) wanted.set(name, value);
  }
  return wanted;
}

async function run() {
  const id = new URLSearchParams(location.search).get("passage");
  const wanted = parameters();
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const asked = wanted.has("q");
  at("clear").hidden = !FILTERS.some((name) => wanted.has(name));
  at("welcome").hidden = asked;
  document.title = asked ? `${wanted.get("q")} · kb` : "kb · 银行报告知识库";
  if (!asked && !id) return results.replaceChildren();
  at("welcome").hidden = true;
  results.setAttribute("aria-busy", "true");
  say(asked ? "检索中…" : "", "busy");
  const begun = performance.now();
  try {
    if (asked) showAnswer(await get(`/v1/ask?${wanted}`, signal), performance.now() - begun);
    else await showPassage(await get(`/v1/passages/${encodeURIComponent(id)}`, signal), signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    showProblem(error);
  }
  results.setAttribute("aria-busy", "false");
}

function submit() {
  const wanted = parameters();
  const empty = !wanted.has("q");
  box.setAttribute("aria-invalid", String(empty));
  if (empty) {
    box.focus();
    say("请先写下问题，例如：银行怎么解决金融科技人才短缺", "error");
    return;
  }
  const address = `/?${wanted}`;
  if (address !== location.pathname + location.search) history.pushState(null, "", address);
  run();
}

function connect() {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  box.addEventListener("input", () => box.removeAttribute("aria-invalid"));
  for (const name of FILTERS) at(name).addEventListener("change", () => parameters().has("q") && submit());
  at("clear").addEventListener("click", () => {
    for (const name of FILTERS) at(name).value = "";
    submit();
  });
  at("example").addEventListener("click", (event) => {
    event.preventDefault();
    box.value = event.target.textContent;
    submit();
  });
  addEventListener("popstate", () => {
    fromAddress();
    say("");
    run();
  });
}

// what there is to ask: dimensions, topics, reports

async function fillTaxonomy() {
  const { dimensions, topics: known } = await get("/v1/taxonomy");
  dimensions.forEach(({ id }) => at("dimension").add(new Option(id, id)));
  known.forEach(({ id, label }) => topics.set(id, label));
}

async function fillReports() {
  const { documents } = await get("/v1/documents");
  const years = [...new Set(documents.map(({ year }) => year).filter(Boolean))].sort((a, b) => b - a);
  years.forEach((year) => at("year").add(new Option(year, year)));
  documents.forEach(({ id, unit }) => units.set(id, unit));
  at("reports").replaceChildren(...documents.map(showReport));
}

function showReport({ title, publisher, year, page_count: pages, unit, passages, problem_pages: problems }) {
  const name = UNITS[unit];
  const facts = [publisher, year, `${pages} ${name}`, `${passages} 段`, problems.length && `${problems.length} ${name}不可读`];
  return el("li", "", el("span", "", title), el("small", "", facts.filter(Boolean).join(" · ")));
}

async function start() {
  connect();
  const filled = await Promise.allSettled([fillTaxonomy(), fillReports()]);
  const failed = filled.find(({ status }) => status === "rejected");
  if (failed) showProblem(failed.reason);
  fromAddress();
  await run();
}

start();
