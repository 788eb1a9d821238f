// The page: views are fetched from the server and put in place without a reload; the panel, the keyboard, light and dark.

import { api, at, copy, el, fetchView, followJob, send, t, tell } from "./common.js";
import { connectAsk, remember } from "./ask.js";
import { connectBasket, cited, markTaken, toggleBasket, toggleTaken } from "./basket.js";
import { connectLibrary } from "./library.js";

const main = at("main");
const VIEWS = /^\/(?:banks(?:\/[^/]+)?|grid|cases|library)?$/;
let running = new AbortController();
const here = () => location.pathname + location.search;
let shown = here(); // the address whose view is drawn, without what comes after #

// views

/** Goes to a view: its main part, title and question take the place of the present ones. */
async function go(address, { push = true } = {}) {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const slow = setTimeout(() => main.setAttribute("aria-busy", "true"), 80);
  try {
    const found = await fetchView(address, signal);
    if (!found) return;
    if (push) history.pushState(null, "", address);
    shown = here();
    document.title = found.title;
    main.replaceChildren(...found.getElementById("main").childNodes);
    replaceQuestion(found);
    document.querySelector(".top nav").replaceWith(found.querySelector(".top nav"));
    if (push) scrollTo(0, 0);
    if (push && document.activeElement !== at("q")) main.focus({ preventScroll: true });
    mount();
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  } finally {
    clearTimeout(slow);
    if (!signal.aborted) main.removeAttribute("aria-busy");
  }
}

/** The question and its filters; the box itself stays, with what is typed meanwhile. */
function replaceQuestion(found) {
  const [form, fresh] = [at("ask"), found.getElementById("ask")];
  form.action = fresh.action;
  form.querySelectorAll("input[type=hidden]").forEach((input) => input.remove());
  form.prepend(...fresh.querySelectorAll("input[type=hidden]"));
  if (document.activeElement !== at("q") || at("q").value === at("q").defaultValue) at("q").value = fresh.q.value;
  at("q").defaultValue = fresh.q.value;
}

/** What a fresh view needs: parts that are loaded behind it, marks on what is in the basket. */
function mount() {
  document.querySelectorAll("[data-load]").forEach((place) => loadPart(place, place.dataset.load));
  remember(document.querySelector(".search") && new URLSearchParams(location.search).get("q"));
  connectLibrary();
  markTaken();
  choose(new URLSearchParams(location.search).get("passage"));
  watchPictures();
}

async function loadPart(place, address) {
  const found = await fetchView(address, running.signal).catch(() => null);
  if (!place.isConnected) return;
  place.removeAttribute("aria-busy");
  const parts = found?.querySelectorAll("[data-into]") ?? [];
  if (!parts.length) {
    at("facets").replaceChildren();
    return place.replaceChildren(...(found?.querySelector(".problem")?.childNodes ?? [missing(() => loadPart(place, address))]));
  }
  parts.forEach((part) => at(part.dataset.into)?.replaceChildren(...part.childNodes));
  if (matchMedia("(max-width: 56rem)").matches) at("facets").querySelectorAll("details").forEach((facet) => (facet.open = false));
  markTaken();
}

/** In the place of what did not come: that it did not, and a way to ask again. */
function missing(again) {
  const button = el("button", { type: "button" }, t("再试"));
  button.addEventListener("click", again);
  return el("p", { className: "note" }, t("没有取到这一部分。"), " ", button);
}

// the panel of a passage

async function openPanel(address, excerpt = null, how = "pushState") {
  const wanted = new URL(address, location.href);
  const from = new URLSearchParams(location.search).get("from"); // a passage is opened where a list is
  if (from) wanted.searchParams.set("from", from);
  const panel = at("evidence");
  if (!panel) return go(wanted.href);
  const parameters = new URLSearchParams(wanted.search);
  const id = parameters.get("passage");
  parameters.delete("passage");
  parameters.delete("from");
  history[how](null, "", wanted);
  shown = here();
  choose(id, excerpt);
  panel.hidden = false;
  panel.closest(".search")?.classList.add("with-panel");
  if (!panel.childElementCount) panel.append(...Array.from({ length: 4 }, () => el("div", { className: "skeleton" })));
  const found = await fetchView(`/evidence/${encodeURIComponent(id)}?${parameters}`);
  const article = found?.querySelector(".evidence, .problem");
  if (location.href !== wanted.href) return; // another passage was asked for meanwhile
  panel.replaceChildren(article ?? missing(() => openPanel(address)));
  panel.scrollTop = 0;
  markTaken();
  watchPictures();
}

function closePanel() {
  const panel = document.querySelector(".search.with-panel > #evidence");
  if (!panel || panel.hidden) return false;
  const address = new URL(location);
  for (const name of ["passage", "page", "at"]) address.searchParams.delete(name);
  panel.hidden = true;
  panel.replaceChildren();
  panel.closest(".search").classList.remove("with-panel");
  history.pushState(null, "", address);
  shown = here();
  document.querySelector(".excerpt.current")?.focus();
  return true;
}

/** A picture that cannot be drawn is replaced by the reason. */
function watchPictures() {
  document.querySelectorAll("figure.page img").forEach((picture) => {
    const explain = () => api(picture.src).catch((error) => picture.replaceWith(error.message));
    if (picture.complete && picture.src && !picture.naturalWidth) explain();
    else picture.addEventListener("error", explain, { once: true });
  });
}

// excerpts

const excerpts = () => [...document.querySelectorAll(".found .excerpt")];
const current = () => document.querySelector(".excerpt.current") ?? document.querySelector(".evidence.excerpt");

function setCurrent(excerpt) {
  document.querySelectorAll(".excerpt.current").forEach((one) => one.classList.remove("current"));
  excerpt?.classList.add("current");
}

/** Marks the excerpt that was opened; of an address, the first of its passage, unless one of it is marked already. */
function choose(id, opened = null) {
  if (!id) return;
  const chosen = opened?.dataset.passage === id ? [opened] : excerpts().filter((one) => one.dataset.passage === id);
  if (!chosen.some((one) => one.classList.contains("current"))) setCurrent(chosen[0]);
}

function step(by) {
  const all = excerpts();
  const next = all[all.findIndex((one) => one.classList.contains("current")) + by] ?? (by > 0 ? all.at(-1) : all[0]);
  if (!next) return;
  setCurrent(next);
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "center" });
  if (at("evidence") && !at("evidence").hidden) openPanel(next.querySelector("a.open").href, next, "replaceState"); // or Back would walk through them all
}

async function correct(form, method, body) {
  const [line, buttons] = [form.querySelector("[role=status]"), form.querySelectorAll("button")];
  buttons.forEach((button) => (button.disabled = true));
  line.textContent = t("保存中…");
  try {
    const address = form.dataset.correct;
    const job = await (await (body ? send(method, address, body) : api(address, { method }))).json();
    const ended = await new Promise((end) => followJob(job.id, (now) => now.ended && end(now)));
    if (ended.state !== "done") throw new Error(ended.reason);
    tell(t("标签已更正"));
    await go(location.href, { push: false });
  } catch (error) {
    line.textContent = error.message;
    buttons.forEach((button) => (button.disabled = false));
  }
}

function correction(form) {
  const given = new FormData(form);
  const banks = given.get("banks").split(/[、,，;；\s]+/).filter(Boolean);
  const topics = [...new Set(given.getAll("topics").filter(Boolean))];
  return { banks, topics, dimension: given.get("dimension") || undefined, role: given.get("role") };
}

// sessions

async function enter(form) {
  try {
    await send("POST", "/v1/session", { key: at("secret").value });
    location.reload();
  } catch (error) {
    at("refused").textContent = { 401: t("密钥无效或已停用。"), 429: t("尝试次数过多，请稍后再试。") }[error.status] ?? error.message;
    form.reset();
  }
}

/** Ends the session; what the browser keeps goes too, where its user says so: others may use it next. */
async function leave() {
  if (confirm(t("同时清空这台机器上的摘录篮和问过的问题？"))) localStorage.clear();
  await api("/v1/session", { method: "DELETE" }).catch(({ message }) => tell(message));
  location.reload();
}

// clicks, forms, keys

function onClick(event) {
  const { target } = event;
  const button = target.closest("button");
  const excerpt = target.closest(".excerpt");
  if (button?.matches(".take")) return toggleTaken(excerpt);
  if (button?.matches(".cite")) return cited(excerpt).then(copy).then(() => tell(t("引用已复制（GB/T 7714）")), ({ message }) => tell(message));
  if (button?.matches(".unfold")) return button.closest(".facet").classList.add("all"), button.remove();
  if (button?.matches(".restore")) return correct(button.form, "DELETE");
  if (button?.id === "leave") return leave();
  const link = target.closest("a[href]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button || link.target || link.hasAttribute("download")) return;
  const { origin, pathname, hash } = new URL(link.href);
  if (origin !== location.origin) return;
  if (link.matches(".panel a.close")) return event.preventDefault(), closePanel();
  if (link.matches("[data-panel]")) return event.preventDefault(), openPanel(link.href, link.closest(".found .excerpt"));
  if (link.matches("[data-more]")) {
    const before = at("excerpts").querySelectorAll(".excerpt").length;
    return event.preventDefault(), loadPart(at("excerpts"), link.href).then(() => at("excerpts").querySelectorAll(".excerpt")[before]?.focus());
  }
  if (VIEWS.test(pathname) && !hash) event.preventDefault(), go(link.href);
}

function onSubmit(event) {
  const form = event.target;
  if (form.id === "key") return event.preventDefault(), enter(form);
  if (form.dataset.correct) return event.preventDefault(), correct(form, "PUT", correction(form));
  if (form.method !== "get" || !VIEWS.test(new URL(form.action).pathname)) return;
  event.preventDefault();
  const given = [...new FormData(form)].filter(([, value]) => value.trim());
  if (form.id === "ask" && !form.q.value.trim() && new URL(form.action).pathname === "/") {
    form.q.setAttribute("aria-invalid", "true");
    form.q.focus();
    return tell(t("请先写下问题，例如：银行怎么解决金融科技人才短缺"));
  }
  at("q").defaultValue = at("q").value;
  go(`${new URL(form.action).pathname}?${new URLSearchParams(given)}`);
}

const KEYS = {
  "/": () => (at("q").focus(), at("q").select()),
  j: () => step(1),
  k: () => step(-1),
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  Enter: () => openPanel(document.activeElement.querySelector("a.open").href, document.activeElement),
  "[": () => document.querySelector("#evidence .pages .before")?.click(),
  "]": () => document.querySelector("#evidence .pages .after")?.click(),
  q: () => current() && toggleTaken(current()),
  b: () => toggleBasket(),
  "?": () => at("help").showModal(),
  Escape: () => (at("basket").hidden ? closePanel() : toggleBasket(false)),
};

function onKey(event) {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || at("help").open) return;
  const typing = event.target.closest("input, select, textarea");
  if (typing ? event.key !== "Escape" : !(event.key in KEYS)) return;
  if (typing) return event.preventDefault(), typing.blur(); // the browser would empty the question
  if (event.key.startsWith("Arrow") && !document.querySelector(".excerpt.current")) return; // they scroll
  if (event.key === "Enter" && !event.target.matches(".found .excerpt")) return;
  event.preventDefault();
  KEYS[event.key]();
}

function setCookie(name, value) {
  document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=strict`;
}

function connect() {
  document.addEventListener("click", onClick);
  document.addEventListener("submit", onSubmit);
  document.addEventListener("keydown", onKey);
  document.addEventListener("change", ({ target }) => target.form?.id === "narrow" && target.form.requestSubmit());
  addEventListener("popstate", () => {
    if (here() !== shown) go(location.href, { push: false }); // else only #… changed
  });
  at("theme").addEventListener("click", () => {
    const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    setCookie("kb_theme", dark ? "light" : "dark");
  });
  at("language").addEventListener("click", ({ currentTarget }) => {
    setCookie("kb_language", currentTarget.lang === "en" ? "en" : "zh");
    location.reload();
  });
  at("open-help").addEventListener("click", () => at("help").showModal());
  connectAsk(go);
  connectBasket();
  if (matchMedia("(pointer: fine)").matches && !location.search && location.pathname === "/" && !at("key")) at("q").focus();
  mount();
}

connect();
