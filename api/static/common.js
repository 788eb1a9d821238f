// What all scripts of the page share: texts, elements, requests, what is told. Text is only ever set as text.

const words = JSON.parse(document.getElementById("words").textContent);

/** A text in the reader's language, its {} filled in. */
export function t(text, ...values) {
  return values.reduce((said, value) => said.replace("{}", () => value), words[text] ?? text);
}

export const at = (id) => document.getElementById(id);

/** An element with properties and children; strings become text nodes. */
export function el(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== "" && child != null));
  return element;
}

/** A line at the foot of the window, which goes away by itself. */
export function tell(text) {
  const line = at("told");
  line.textContent = text;
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => (line.textContent = ""), 4000);
}

/** A response of the API. Throws an Error that says what is wrong. */
export async function api(address, options = {}) {
  let response;
  try {
    response = await fetch(address, { ...options, headers: { Accept: "application/json", ...options.headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(t("服务没有回应，请确认它在运行。"));
  }
  if (response.ok) return response;
  if (response.status === 401 && !at("key") && !options.quiet) location.reload(); // the view then asks for a key
  const problem = await response.json().catch(() => ({ detail: `HTTP ${response.status}` }));
  throw Object.assign(new Error(problem.detail), { status: response.status });
}

/** Sends JSON. */
export function send(method, address, body, options = {}) {
  return api(address, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), ...options });
}

/** A view or a part of one as a document; problems come as views too. Null where the server does not answer. */
export async function fetchView(address, signal) {
  try {
    const response = await fetch(address, { signal, headers: { Accept: "text/html" } });
    return new DOMParser().parseFromString(await response.text(), "text/html");
  } catch (error) {
    if (error.name === "AbortError") throw error;
    tell(t("服务没有回应，请确认它在运行。"));
    return null;
  }
}

/** Puts text on the clipboard; also where the page came over plain HTTP, for which browsers have only the old way. */
export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = el("textarea", { value: text });
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** JSON that the browser keeps for this server. */
export const kept = {
  read(name, otherwise) {
    try {
      return JSON.parse(localStorage.getItem(`kb.${name}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  write(name, value) {
    try {
      localStorage.setItem(`kb.${name}`, JSON.stringify(value));
    } catch {
      tell("localStorage"); // the browser keeps nothing here, as told by its user
    }
  },
};

/** The states of a job that has ended. */
export const ENDED = ["done", "failed", "cancelled"];

/** Gives `then` a job at each of its changes, until it has ended. */
export function followJob(id, then) {
  const events = new EventSource(`/v1/jobs/${id}/events`);
  events.onmessage = ({ data }) => {
    const job = JSON.parse(data);
    if (ENDED.includes(job.state)) events.close();
    then(job);
  };
  events.onerror = async () => {
    if (events.readyState !== EventSource.CLOSED) return; // it connects anew by itself
    const job = await api(`/v1/jobs/${id}`).then((told) => told.json()).catch(({ message }) => tell(message));
    if (job) then(job);
    if (!job?.ended) setTimeout(() => followJob(id, then), 3000);
  };
}
