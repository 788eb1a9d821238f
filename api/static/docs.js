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

/** The field of what a request carries, filled with its example; of a form its file; null where it carries nothing. */
function showBody(body, schemas) {
  if (!body) return null;
  const [media, { schema }] = Object.entries(body.content)[0];
  if (media === "multipart/form-data") {
    const file = Object.assign(el("input"), { name: "file", type: "file", required: true });
    return el("label", "body", el("span", "note", typeOf(schema)), file);
  }
  const example = (schema.$ref ? schemas[nameOf(schema.$ref)] : schema).example;
  const field = el("textarea");
  Object.assign(field, { name: "body", value: text(example ?? {}), rows: 8, spellcheck: false });
  field.setAttribute("aria-label", typeOf(schema));
  return el("label", "body", el("span", "note", typeOf(schema)), field);
}

/** The form of an endpoint: its parameters, what it carries, and a button that asks the server. */
function showForm(method, path, parameters, body) {
  const out = el("pre");
  const table = el("table", "", el("tbody", "", ...parameters.filter(({ in: place }) => place !== "header").map(showParameter)));
  const form = el("form", "", table, body, el("button", "", "Try it"), out);
  out.hidden = true;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const address = addressOf(path, form);
    const carried = carriedBy(form);
    out.hidden = false;
    out.textContent = `${method} ${address} …`;
    try {
      const response = await fetch(address, { method, ...carried });
      const type = response.headers.get("Content-Type") ?? "";
      out.textContent = `${method} ${address}\n${response.status} ${type}\n\n${await shown(response, type)}`;
    } catch (error) {
      out.textContent = `${method} ${address}\n${error.message}`;
    }
  });
  return form;
}

/** What a form sends in its body: JSON, a file, or nothing. */
function carriedBy({ elements: { body, file } }) {
  if (body) return { body: body.value, headers: { "Content-Type": "application/json" } };
  if (!file) return {};
  const sent = new FormData();
  sent.append("file", file.files[0]);
  return { body: sent };
}

/** JSON and text as they are, of any other file how long it is. */
async function shown(response, type) {
  if (type.includes("json")) return text(await response.json());
  if (type.startsWith("text/") && !type.includes("html")) return response.text();
  return `${(await response.blob()).size} bytes`;
}

function addressOf(path, form) {
  const query = new URLSearchParams();
  let address = path;
  for (const field of form.querySelectorAll("input:not([type=file])")) {
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

function showEndpoint(path, method, endpoint, schemas) {
  const { operationId: id, description, parameters = [], requestBody, responses } = endpoint;
  const section = el("section", "endpoint", el("h2", "", el("b", "", method), el("code", "", path)), el("p", "", description));
  section.id = id;
  section.append(el("h3", "", "Request"), showForm(method, path, parameters, showBody(requestBody, schemas)));
  section.append(el("h3", "", "Responses"), ...Object.entries(responses).map(showResponse));
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
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, endpoint] of Object.entries(methods)) {
      main.append(showEndpoint(path, method.toUpperCase(), endpoint, api.components.schemas));
    }
  }
  contents.append(Object.assign(el("a", "", "Records"), { href: "#records" }));
  const heading = el("h2", "", "Records");
  heading.id = "records";
  main.append(heading, ...Object.entries(api.components.schemas).map(showSchema));
  if (location.hash) document.querySelector(location.hash)?.scrollIntoView();
}

start();
