// The box of the question: banks, topics and earlier questions are suggested while it is typed.

import { api, at, el, kept, t } from "./common.js";

const MOST = 8;
const EARLIER = 30;
let known = null; // what can be suggested; fetched when the box is first used

async function load() {
  const [{ banks }, { topics }] = await Promise.all(["/v1/banks", "/v1/taxonomy"].map(async (address) => (await api(address, { quiet: true })).json()));
  return [
    ...banks.map(({ name, aliases, passages }) => ({
      text: name, names: [name, ...aliases], kind: t("银行 · {} 段", passages), address: `/banks/${encodeURIComponent(name)}`,
    })),
    ...topics.map(({ id, label, dimension }) => ({
      text: t(label), names: [label, t(label)], kind: t("主题 · {}", t(dimension)), address: `/?${new URLSearchParams({ q: label, topic: id })}`,
    })),
  ];
}

/** What begins with the text comes before what only has it. */
function suggest(text) {
  const wanted = text.trim().toLowerCase();
  const earlier = kept.read("questions", []).filter((one) => one.toLowerCase().includes(wanted) && one !== text.trim());
  const questions = earlier.slice(0, wanted ? 3 : MOST).map((one) => ({ text: one, kind: t("问过"), address: `/?${new URLSearchParams({ q: one })}` }));
  if (!wanted) return questions;
  const has = (test) => (known ?? []).filter(({ names }) => names.some((name) => test(name.toLowerCase())));
  const first = has((name) => name.startsWith(wanted));
  const rest = has((name) => name.includes(wanted)).filter((one) => !first.includes(one));
  return [...questions, ...first, ...rest].slice(0, MOST);
}

/** Keeps a question that was asked, for suggestions and the first view. */
export function remember(question) {
  const asked = kept.read("questions", []);
  if (question) kept.write("questions", [question, ...asked.filter((one) => one !== question)].slice(0, EARLIER));
  const place = at("earlier");
  if (!place || !asked.length) return;
  place.hidden = false;
  place.querySelector("ul").replaceChildren(
    ...asked.slice(0, 6).map((one) => el("li", {}, el("a", { href: `/?${new URLSearchParams({ q: one })}` }, one))),
  );
}

export function connectAsk(go) {
  const [box, list] = [at("q"), at("suggestions")];
  let shown = [], chosen = -1;

  function close() {
    list.hidden = true;
    chosen = -1;
    box.setAttribute("aria-expanded", "false");
    box.removeAttribute("aria-activedescendant");
  }

  function take(one) {
    close();
    box.value = one.address.startsWith("/?") ? one.text : "";
    box.defaultValue = box.value;
    box.blur();
    go(one.address);
  }

  function choose(place) {
    chosen = (place + shown.length + 1) % (shown.length + 1); // the last place is none of them
    [...list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === chosen)));
    if (chosen < shown.length) box.setAttribute("aria-activedescendant", `suggestion-${chosen}`);
    else box.removeAttribute("aria-activedescendant");
  }

  function show() {
    shown = suggest(box.value);
    chosen = shown.length;
    list.replaceChildren(
      ...shown.map((one, at) => {
        const item = el("li", { id: `suggestion-${at}`, role: "option" }, el("span", {}, one.text), el("small", {}, one.kind));
        item.setAttribute("aria-selected", "false");
        item.addEventListener("pointerdown", (event) => (event.preventDefault(), take(one)));
        return item;
      }),
    );
    list.hidden = !shown.length;
    box.setAttribute("aria-expanded", String(!list.hidden));
  }

  box.addEventListener("focus", async () => {
    if (known || at("key")) return;
    known = await load().catch(() => null);
    if (known && box.value !== box.defaultValue && document.activeElement === box) show(); // what was typed meanwhile
  });
  box.addEventListener("input", () => (box.removeAttribute("aria-invalid"), show()));
  box.addEventListener("blur", close);
  box.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Escape") event.preventDefault(), close(); // the browser would empty the box
    if (event.key === "ArrowDown" && list.hidden) return event.preventDefault(), show();
    if (list.hidden) return;
    if (event.key === "ArrowDown") event.preventDefault(), choose(chosen + 1);
    if (event.key === "ArrowUp") event.preventDefault(), choose(chosen - 1);
    if (event.key === "Enter" && shown[chosen]) event.preventDefault(), take(shown[chosen]);
  });
  at("ask").addEventListener("submit", close);
}
