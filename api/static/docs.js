// The documentation: every endpoint of /openapi.json with parameters, examples and a way to try it; then the records.

const main = document.getElementById("main"), contents = document.getElementById("contents");

/** An element with a class and children; strings become text nodes. */
function el(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children.filter((child) => child !== "" && child != null));
  return element;
}

const text = (value) => JSON.stringify(value, null, 2);
const nameOf = (reference) => reference.split("/").pop();

/** A schema's type in words: string, integer or null, list of SearchHit. */
function typeOf(schema) {
  if (schema.$ref) return nameOf(schema.$ref);
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.type === "array") return `list of ${typeOf(schema.items ?? {})}`;
  return schema.type ?? "any";
}

function limits(schema) {
  const [least, most] = [schema.minimum, schema.maximum];
  const range = least != null && most != null ? ` ${least} to ${most}` : "";
  return range + (schema.default != null && !Array.isArray(schema.default) ? `, else ${schema.default}` : "");
}

function showParameter({ name, required, description, schema, in: place }) {
  const field = el("input");
  const example = (schema.examples ?? [""])[0];
  Object.assign(field, { name, placeholder: String(example), required: Boolean(required) });
  field.dataset.place = place;
  field.setAttribute("aria-label", name);
  if (required) field.value = String(example);
  const type = typeOf(schema) + limits(schema) + (required ? ", required" : "");
  return el("tr", "", el("td", "", name), el("td", "", type), el("td", "", description ?? ""), el("td", "", field));
}

/** The form of an endpoint: its parameters, and a button that asks the server. */
function showForm(path, parameters) {
  const out = el("pre");
  const form = el("form", "", el("table", "", el("tbody", "", ...parameters.map(showParameter))), el("button", "", "Try it"), out);
  out.hidden = true;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const address = addressOf(path, form);
    out.hidden = false;
    out.textContent = `GET ${address} …`;
    try {
      const response = await fetch(address);
      out.textContent = `GET ${address}\n${response.status} ${response.headers.get("Content-Type")}\n\n${text(await response.json())}`;
    } catch (error) {
      out.textContent = `GET ${address}\n${error.message}`;
    }
  });
  return form;
}

function addressOf(path, form) {
  const query = new URLSearchParams();
  let address = path;
  for (const field of form.querySelectorAll("input")) {
    const value = field.value.trim();
    if (field.dataset.place === "path") address = address.replace(`{${field.name}}`, encodeURIComponent(value));
    else if (value) query.append(field.name, value);
  }
  return query.size ? `${address}?${query}` : address;
}

function showResponse([status, { description, content = {} }]) {
  const [media, body] = Object.entries(content)[0] ?? ["", {}];
  const examples = body.examples ? Object.values(body.examples).map(({ value }) => value) : [body.example];
  const schema = body.schema ? typeOf(body.schema) : "";
  const details = el("details", "", el("summary", "", `${status} ${description}`), el("p", "note", `${media} ${schema}`));
  details.append(...examples.filter(Boolean).map((example) => el("pre", "", text(example))));
  return details;
}

function showEndpoint([path, { get }]) {
  const id = get.operationId;
  const section = el("section", "endpoint", el("h2", "", el("b", "", "GET"), el("code", "", path)), el("p", "", get.description));
  section.id = id;
  section.append(el("h3", "", "Request"), showForm(path, get.parameters ?? []));
  section.append(el("h3", "", "Responses"), ...Object.entries(get.responses).map(showResponse));
  contents.append(Object.assign(el("a", "", path), { href: `#${id}` }));
  return section;
}

function showSchema([name, { description, properties = {} }]) {
  const rows = Object.entries(properties).map(([field, schema]) =>
    el("tr", "", el("td", "", field), el("td", "", typeOf(schema)), el("td", "", schema.description ?? "")),
  );
  const section = el("section", "schema", el("h2", "", name), el("p", "note", description), el("table", "", el("tbody", "", ...rows)));
  section.id = `record-${name}`;
  return section;
}

async function start() {
  const api = await (await fetch("/openapi.json")).json();
  document.getElementById("about").textContent = api.info.description;
  main.append(...Object.entries(api.paths).map(showEndpoint));
  contents.append(Object.assign(el("a", "", "Records"), { href: "#records" }));
  const heading = el("h2", "", "Records");
  heading.id = "records";
  main.append(heading, ...Object.entries(api.components.schemas).map(showSchema));
  if (location.hash) document.querySelector(location.hash)?.scrollIntoView();
}

start();
