// The library: reports are uploaded, read again and removed by jobs, whose progress is drawn as it is told.

import { ENDED, api, at, el, fetchView, t, tell } from "./common.js";

const TASKS = { ingest: "收录", remove: "移除", correct: "更正标签", reindex: "重读" };
const STATES = { queued: "等待", running: "进行中", done: "完成", failed: "失败", cancelled: "已取消" };
const STAGES = { waiting: "等待另一个命令写完", reading: "读取", embedding: "嵌入", storing: "存储" };
const OUTCOMES = { added: "新收录", replaced: "替换旧版", updated: "更新", moved: "改名", unchanged: "没有变化", removed: "已移除", corrected: "已更正", reindexed: "已重读" };
let events = null;

function progressOf({ stage, pages_done: pages, pages_total: allPages, units_done: units, units_total: allUnits }) {
  if (stage === "reading" && allPages) return [pages, allPages, t("读取 {} / {} 页", pages, allPages)];
  if (stage === "embedding" && allUnits) return [units, allUnits, t("嵌入 {} / {}", units, allUnits)];
  return [null, 1, t(STAGES[stage] ?? "")];
}

/** What a report brought, in one line. */
function newsOf({ outcome, passages, news }) {
  if (!news) return [t(OUTCOMES[outcome] ?? "")];
  const lines = [t(OUTCOMES[outcome] ?? ""), t("{} 段（新 {} 段）", passages, news.new_passages)];
  if (news.case_count) lines.push(t("新案例 {} 个：{}", news.case_count, news.cases.join("；")));
  if (news.new_banks.length) lines.push(t("新银行：{}", news.new_banks.join("、")));
  return lines;
}

function drawJob(job) {
  const running = job.state === "running";
  const line = el("div", { className: "line" }, el("b", {}, job.title || job.file), el("span", {}, `${t(TASKS[job.task])} · ${t(STATES[job.state])}`));
  if (running) {
    const [value, max, text] = progressOf(job.progress);
    const bar = el("progress", { max, ariaLabel: t("进度") });
    if (value !== null) bar.value = value;
    line.append(bar, el("small", {}, text));
  }
  if (job.state === "done") line.append(...newsOf(job).filter(Boolean).map((text) => el("small", {}, text)));
  if (job.reason) line.append(el("small", { className: "failed" }, job.reason));
  if (job.state === "done" && job.document && job.task !== "remove") line.append(el("a", { href: `/?${new URLSearchParams({ report: job.document })}` }, t("看段落")));
  if (!ENDED.includes(job.state) && at("main").dataset.write) {
    const cancel = el("button", { type: "button", disabled: job.cancelling }, t("取消"));
    cancel.addEventListener("click", () => act(`/v1/jobs/${job.id}`, "DELETE"));
    line.append(cancel);
  }
  line.append(el("small", { className: "quiet" }, new Date(job.ended || job.begun || job.asked).toLocaleString(), job.by ? ` · ${job.by}` : ""));
  return el("li", { id: `job-${job.id}`, className: job.state }, line);
}

function showJob(job) {
  if (!at("jobs")) return; // another view is shown by now
  const [fresh, place] = [drawJob(job), at(`job-${job.id}`)];
  const focused = place?.contains(document.activeElement);
  if (place) place.replaceWith(fresh);
  else at("jobs").prepend(fresh);
  if (focused) fresh.querySelector("button, a")?.focus();
  at("no-jobs").hidden = true;
}

/** Asks for a job and shows it. */
async function act(address, method, body) {
  try {
    showJob(await (await api(address, { method, body })).json());
  } catch (error) {
    tell(error.message);
  }
}

/** Sends files one after the other. What is refused stays in the list, with its name and the reason. */
async function upload(files) {
  for (const file of [...files]) {
    const line = el("li", {}, el("b", {}, file.name), " ", el("span", {}, t("上传中…")));
    at("jobs").prepend(line);
    at("no-jobs").hidden = true;
    const body = new FormData();
    body.append("file", file);
    try {
      const job = await (await api("/v1/documents", { method: "POST", body })).json();
      line.remove();
      showJob(job);
    } catch (error) {
      line.lastChild.replaceWith(el("small", { className: "failed" }, `${t("没有收下")}: ${error.message}`));
    }
  }
}

/** One connection tells of all jobs, and once it is open they are listed, so that none is missed between; when one has
 * ended, the list of reports is fetched anew. */
function follow() {
  events?.close();
  events = new EventSource("/v1/jobs/events");
  events.onmessage = async ({ data }) => {
    if (!at("jobs")) return events.close();
    const job = JSON.parse(data);
    const known = at(`job-${job.id}`);
    const wasRunning = !known || !ENDED.includes(known.className);
    showJob(job);
    if (!ENDED.includes(job.state) || !wasRunning) return;
    tell(`${job.title || job.file}: ${t(STATES[job.state])}`);
    await refreshReports();
  };
  events.onopen = async () => {
    const { jobs } = await api("/v1/jobs?limit=30").then((told) => told.json()).catch(() => ({ jobs: [] }));
    jobs.reverse().forEach(showJob);
  };
  events.onerror = () => {
    tell(t("连接中断，正在重连"));
    if (events.readyState === EventSource.CLOSED && at("jobs")) setTimeout(() => at("jobs") && follow(), 5000);
  };
}

async function refreshReports() {
  const fresh = (await fetchView("/library"))?.getElementById("reports");
  if (fresh && at("reports")) at("reports").replaceWith(fresh);
}

export function connectLibrary() {
  events?.close();
  const [drop, view] = [at("drop"), at("main").querySelector(".library")];
  if (!view) return;
  view.addEventListener("dragover", (event) => (event.preventDefault(), drop?.classList.add("over")));
  view.addEventListener("dragleave", () => drop?.classList.remove("over"));
  view.addEventListener("drop", (event) => {
    event.preventDefault(); // or the browser would open the file
    drop?.classList.remove("over");
    if (drop) upload(event.dataTransfer.files);
  });
  drop?.querySelector("input").addEventListener("change", ({ target }) => (upload(target.files), (target.value = "")));
  view.addEventListener("click", ({ target }) => {
    const { reindex, remove, title } = target.closest("button")?.dataset ?? {};
    if (reindex) act(`/v1/documents/${reindex}/reindex`, "POST");
    if (remove && confirm(t("移除《{}》和它的全部段落？", title))) act(`/v1/documents/${remove}`, "DELETE");
  });
  follow();
}
