// A form's fields become a decision: by the same rules as api/review/items/decisions.py. A field's name is its path in the
// decision, and its type: "stars:integer", "evidence.0.metric", "subset:list", "note:text?" (left out when empty).

const NO_FIELDS = new Set(["csrf_token", "do", "reason", "decision", "with-fields", "@note"]);
const MOST_PARTS = 6;

const number = (text) => {
  try {
    const found = JSON.parse(text);
    return typeof found === "number" ? found : text;
  } catch {
    return text; // the contract says what is wrong with it
  }
};
const json = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};
const READ = {
  integer: number,
  number,
  boolean: (text) => text === "true",
  lines: (text) => text.split(/\r?\n/).map((line) => line.trim()).filter(Boolean),
  json,
};

/** What pressing this button says: the decision, the note, and which path of it is which field's. */
export function readForm(form, button) {
  const note = form.elements["@note"]?.value.trim() || null;
  if (button.name === "decision") return { decision: JSON.parse(button.value), note, names: new Map() };
  const tree = new Map();
  const names = new Map();
  for (const [name, text] of new FormData(form)) if (!NO_FIELDS.has(name)) put(tree, name, String(text), names);
  const moved = new Map();
  const fields = whole(tree, "", "", moved);
  const paths = new Map([...names].filter(([path]) => moved.has(path)).map(([path, own]) => [moved.get(path), own]));
  const decision = { ...(Array.isArray(fields) ? {} : fields), ...JSON.parse(button.value || "{}") };
  return { decision, note, names: paths };
}

/** The path of a field, as faults are told by. */
export const pathOf = (name) => name.split(":")[0];

function put(tree, name, text, names) {
  const [path, given = ""] = name.split(":");
  const optional = given.endsWith("?");
  const kind = given.replace(/\?$/, "") || "text";
  if (optional && !text.trim()) return;
  if (!names.has(path)) names.set(path, path);
  const ways = path.split(".").slice(0, MOST_PARTS);
  const last = ways.pop();
  for (const way of ways) {
    if (!tree.has(way)) tree.set(way, new Map());
    tree = tree.get(way);
    if (!(tree instanceof Map)) return;
  }
  if (kind === "list") tree.set(last, [...(tree.get(last) ?? []), text]);
  else tree.set(last, (READ[kind] ?? String)(text));
}

// Make lists of what is numbered, without the gaps; note which path became which.
function whole(tree, old, now, moved) {
  moved.set(old, now);
  if (!(tree instanceof Map)) return tree;
  const keys = [...tree.keys()];
  const numbered = keys.length > 0 && keys.every((key) => /^\d+$/.test(key));
  const kept = numbered ? keys.sort((a, b) => a - b).filter((key) => !isEmpty(tree.get(key))) : keys;
  const found = kept.map((key, place) =>
    whole(tree.get(key), join(old, key), join(now, numbered ? String(place) : key), moved),
  );
  return numbered ? found : Object.fromEntries(kept.map((key, place) => [key, found[place]]));
}

const isEmpty = (value) => (value instanceof Map && value.size === 0) || (Array.isArray(value) && value.length === 0);
const join = (path, key) => (path ? `${path}.${key}` : key);
