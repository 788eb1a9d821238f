// The basket: quotes gathered over several searches, kept in the browser, ordered, noted, and given out with sources.

import { at, copy, el, kept, send, t, tell } from "./common.js";

const SHOWN = new Set(["txt", "md", "gbt7714", "bibtex"]);
const key = ({ passage_id: id, quote }) => `${id}\n${quote}`;
const read = () => kept.read("basket", []);
const writing = () => document.activeElement?.matches("#basket-items textarea") ?? false;
let previewing = new AbortController(), stale = false;

function write(items) {
  kept.write("basket", items);
  markTaken();
}

/** What an excerpt on the page stands for. */
const itemOf = ({ dataset }) => ({ passage_id: dataset.passage, quote: dataset.quote, bank: dataset.bank, source: dataset.source, note: "" });

/** Puts an excerpt into the basket, or takes it out again. */
export function toggleTaken(excerpt) {
  const [item, items] = [itemOf(excerpt), read()];
  const taken = !items.some((one) => key(one) === key(item));
  if (taken) write([...items, item]);
  else if (!remove(item)) return;
  tell(taken ? t("已放进摘录篮") : t("已从摘录篮取出"));
}

/** Takes a quote out, one with a note only where its user says so; whether it went. */
function remove(item) {
  const [items, same] = [read(), (one) => key(one) === key(item)];
  if (items.find(same)?.note && !confirm(t("取出这条摘录和它的笔记？"))) return false;
  write(items.filter((one) => !same(one)));
  return true;
}

/** The reference of an excerpt by GB/T 7714. */
export async function cited(excerpt) {
  const { passage_id, quote } = itemOf(excerpt);
  return (await (await send("POST", "/v1/quotes", { quotes: [{ passage_id, quote }], format: "gbt7714" })).text()).trim();
}

/** Shows on every excerpt whether it is in the basket, and how many are. */
export function markTaken() {
  const items = read();
  const taken = new Set(items.map(key));
  document.querySelectorAll(".excerpt[data-passage]").forEach((excerpt) => {
    excerpt.querySelector(".take")?.setAttribute("aria-pressed", String(taken.has(key(itemOf(excerpt)))));
  });
  at("basket-count").textContent = items.length;
  if (at("basket").hidden) return;
  stale = writing(); // what is being typed stays; the list is drawn when it is left
  if (!stale) draw();
}

export function toggleBasket(open = at("basket").hidden) {
  at("basket").hidden = !open;
  at("open-basket").setAttribute("aria-expanded", String(open));
  if (open) {
    draw();
    at("basket").querySelector(".close").focus();
  } else at("open-basket").focus();
}

function takeOut(item, place) {
  if (!remove(item)) return;
  (at("basket-items").children[place]?.querySelector("button:enabled") ?? at("basket").querySelector(".close")).focus();
}

function move(from, to) {
  const items = read();
  if (to < 0 || to >= items.length || from === to) return;
  items.splice(to, 0, ...items.splice(from, 1));
  write(items);
  at("basket-items").children[to].querySelector(`button:nth-of-type(${to < from ? 1 : 2}):enabled, button:enabled`).focus();
}

function drawItem(item, place) {
  const note = el("textarea", { value: item.note, placeholder: t("笔记"), maxLength: 5000, ariaLabel: t("笔记") });
  note.addEventListener("input", () => {
    const items = read(); // another window may have changed their order
    items.filter((one) => key(one) === key(item)).forEach((one) => (one.note = note.value));
    kept.write("basket", items);
  });
  note.addEventListener("change", preview);
  const button = (text, label, act, off = false) => {
    const made = el("button", { type: "button", ariaLabel: label, title: label, disabled: off }, text);
    made.addEventListener("click", act);
    return made;
  };
  const line = el(
    "div", { className: "line" },
    el("span", {}, [item.bank, item.source].filter(Boolean).join(" · ")),
    button("↑", t("上移"), () => move(place, place - 1), place === 0),
    button("↓", t("下移"), () => move(place, place + 1), place === read().length - 1),
    button("✕", t("取出"), () => takeOut(item, place)),
  );
  const made = el("li", { draggable: true }, el("blockquote", {}, item.quote), line, note);
  made.addEventListener("dragstart", (event) => {
    event.dataTransfer.setData("text/plain", String(place));
    made.classList.add("dragged");
  });
  made.addEventListener("dragend", () => made.classList.remove("dragged"));
  made.addEventListener("dragover", (event) => event.preventDefault());
  made.addEventListener("drop", (event) => (event.preventDefault(), move(Number(event.dataTransfer.getData("text/plain")), place)));
  note.addEventListener("pointerdown", () => (made.draggable = false)); // or words in it could not be selected
  note.addEventListener("blur", () => (made.draggable = true));
  return made;
}

function draw() {
  const items = read();
  stale = false;
  at("basket-empty").hidden = items.length > 0;
  at("basket-out").hidden = !items.length;
  at("basket-items").replaceChildren(...items.map(drawItem));
  preview();
}

/** The basket as a file of the chosen format; the server checks every quote against its page before. */
function file(options = {}) {
  const quotes = read().map(({ passage_id, quote, note }) => ({ passage_id, quote, note }));
  return send("POST", "/v1/quotes", { quotes, format: at("basket-format").value }, options);
}

async function preview() {
  previewing.abort();
  previewing = new AbortController();
  const shown = SHOWN.has(at("basket-format").value) && read().length > 0;
  at("basket-copy").disabled = !shown;
  if (!shown) return (at("basket-preview").textContent = "");
  try {
    at("basket-preview").textContent = await (await file({ signal: previewing.signal })).text();
  } catch (error) {
    if (error.name !== "AbortError") at("basket-preview").textContent = lost(error.message);
  }
}

/** Why there is no file: quotes whose passages are gone are marked, so that they can be taken out. */
function lost(reason) {
  const gone = read().map(({ passage_id: id }) => reason.includes(id));
  gone.forEach((is, place) => at("basket-items").children[place]?.classList.toggle("failed", is));
  return gone.some(Boolean) ? t("{} 条摘录已不在库中，已标出；取出后可继续。", gone.filter(Boolean).length) : reason;
}

async function download() {
  const response = await file();
  const name = /filename="(.+?)"/.exec(response.headers.get("Content-Disposition"))?.[1] ?? "quotes";
  const link = el("a", { href: URL.createObjectURL(await response.blob()), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function connectBasket() {
  at("open-basket").addEventListener("click", () => toggleBasket());
  at("basket").querySelector(".close").addEventListener("click", () => toggleBasket(false));
  at("basket-format").value = kept.read("format", "txt");
  at("basket-format").addEventListener("change", ({ target }) => (kept.write("format", target.value), preview()));
  at("basket-copy").addEventListener("click", async () => {
    try {
      await copy(await (await file()).text());
      tell(t("已复制"));
    } catch (error) {
      tell(error.message);
    }
  });
  at("basket-out").addEventListener("submit", (event) => {
    event.preventDefault();
    event.stopPropagation();
    download().catch((error) => tell(lost(error.message)));
  });
  at("basket-clear").addEventListener("click", () => confirm(t("清空摘录篮？")) && write([]));
  addEventListener("storage", ({ key: name }) => name === "kb.basket" && markTaken()); // another window changed it
  at("basket-items").addEventListener("focusout", () => setTimeout(() => !writing() && stale && draw()));
}
