// Forms of steps: search in the list, files that are sent before the form, and one click that counts.
import { Problem } from "./site.js";

const token = document.querySelector('meta[name="csrf-token"]').content;

// --- the list ---------------------------------------------------------------------------------------------------

const search = document.querySelector("[data-search]");
if (search) {
  const found = document.querySelector("[data-found]");
  const filter = () => {
    const words = search.elements.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const group of document.querySelectorAll("[data-group]")) {
      let some = 0;
      for (const step of group.querySelectorAll("[data-text]")) {
        step.hidden = !words.every((word) => step.dataset.text.includes(word));
        some += step.hidden ? 0 : 1;
      }
      group.hidden = some === 0;
      count += some;
    }
    found.textContent = `${count} step${count === 1 ? "" : "s"}`;
    document.querySelector("[data-none]").hidden = count > 0;
  };
  if (new URLSearchParams(location.search).get("q")) {
    // the server has left steps out already: it is asked again
    search.addEventListener("submit", () => {});
  } else {
    search.elements.q.addEventListener("input", filter);
    filter();
  }
}

// --- a form -----------------------------------------------------------------------------------------------------

const form = document.querySelector("[data-step]");
const send = form?.querySelector("[data-send]");
let underWay = 0;

form?.addEventListener("submit", (event) => {
  if (underWay > 0 || form.dataset.sent === "yes") {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  if (send) send.textContent = "Submitting …";
});
window.addEventListener("pageshow", () => {
  if (form) form.dataset.sent = "no";
  if (send) send.textContent = "Submit";
});

/** Send one file as it is, in a stream; `told` hears how much has gone. fetch() cannot say that, so this is older. */
function upload(file, told) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/v1/uploads");
    request.setRequestHeader("X-CSRF-Token", token);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => told(event.loaded, file.size));
    request.addEventListener("load", () => {
      if (request.status === 201) resolve(request.response.upload);
      else reject(new Problem(request.status, request.response ?? {}));
    });
    request.addEventListener("error", () => reject(new Error("the connection broke off")));
    request.send(file);
  });
}

const size = (bytes) => {
  const units = ["bytes", "kB", "MB", "GB"];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), 3);
  return `${(bytes / 1000 ** power).toLocaleString("en-US", { maximumFractionDigits: power ? 1 : 0 })} ${units[power]}`;
};

function prepare(field) {
  const drop = field.querySelector("[data-drop]");
  const chooser = field.querySelector("[data-file]");
  const digits = field.querySelector("[data-digits]");
  const value = digits.querySelector("input, textarea");
  const bar = field.querySelector("[data-sent]");
  const told = field.querySelector("[data-told]");
  const fault = field.querySelector(".fault");
  const many = "many" in field.dataset;
  const names = [];

  const say = (text) => {
    fault.textContent = text;
    field.classList.toggle("faulty", text !== "");
  };

  async function take(files) {
    say("");
    const chosen = many ? [...files] : [...files].slice(0, 1);
    for (const file of chosen) {
      if (file.size > Number(field.dataset.most)) {
        say(`${file.name} is larger than ${size(Number(field.dataset.most))}, the most that is taken.`);
        continue;
      }
      await takeOne(file);
    }
  }

  async function takeOne(file) {
    busy(1);
    bar.hidden = false;
    drop.classList.remove("done");
    told.textContent = `Sending ${file.name}, ${size(file.size)} …`;
    try {
      const digest = await upload(file, (sent, all) => {
        bar.value = all ? sent / all : 1;
      });
      value.value = many && value.value.trim() ? `${value.value.trim()}\n${digest}` : digest;
      value.removeAttribute("aria-invalid");
      if (!many) names.length = 0;
      names.push(`${file.name}, ${size(file.size)}`);
      drop.classList.add("done");
    } catch (error) {
      const advice = error.advice ? ` What to do: ${error.advice}.` : "";
      say(`${file.name} was not sent: ${error.message}.${advice}`);
    } finally {
      bar.hidden = true;
      told.textContent = names.length ? `Sent: ${names.join("; ")}` : "";
      busy(-1);
    }
  }

  function busy(more) {
    underWay += more;
    if (!send) return;
    send.disabled = underWay > 0;
    send.textContent = underWay > 0 ? "Sending files …" : "Submit";
  }

  drop.hidden = false;
  digits.open = value.value !== "";
  chooser.addEventListener("change", () => take(chooser.files).then(() => (chooser.value = "")));
  value.addEventListener("input", () => {
    names.length = 0;
    told.textContent = "";
    drop.classList.remove("done");
  });
  for (const type of ["dragenter", "dragover"]) {
    drop.addEventListener(type, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    take(event.dataTransfer.files);
  });
  if (value.autofocus) (digits.open ? value : chooser).focus();
}

for (const field of document.querySelectorAll("[data-upload]")) prepare(field);
