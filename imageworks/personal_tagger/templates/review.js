"use strict";
const photos = [...document.querySelectorAll(".decide")];
const fields = [...document.querySelectorAll("fieldset")];
const progress = document.getElementById("progress");
let unsaved = false;

const decision = (field) => field.querySelector("input:checked")?.value ?? "";
const text = (field) => field.querySelector("textarea").value;

function tell() {
  const open = fields.filter((field) => !decision(field)).length;
  progress.textContent = open ? `${open} of ${fields.length} texts are undecided.` : "All is decided.";
}

const isChanged = (field) => field.querySelector("textarea").value !== field.querySelector("textarea").defaultValue;

// What was changed is not what was proposed: to approve it is to edit.
function decide(field, value) {
  if (value === "approve" && isChanged(field)) value = "edit";
  field.querySelector(`input[value="${value}"]`).checked = true;
  unsaved = true;
}

// As imageworks/spreadsheets.py: what a spreadsheet would take for a formula gets an apostrophe, and what begins as such too.
function cell(value, { keepLines = false } = {}) {
  const lines = keepLines ? value.split(/\r\n|\r|\n/) : [value];
  const text = lines.map((line) => line.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, " ")).join("\n");
  const plain = /^[=+\-@]/.test(text.replace(/^['\s]+/, "").normalize("NFKC")) ? `'${text}` : text;
  return `"${plain.replaceAll('"', '""')}"`;
}

function table() {
  const names = fields.slice(0, 3).map((field) => field.dataset.field);
  const header = ["file", "photo", "words", ...names.flatMap((name) => [name, `${name}_decision`])];
  const rows = photos.map((photo) => [
    photo.dataset.file,
    photo.dataset.photo,
    photo.dataset.words,
    ...[...photo.querySelectorAll("fieldset")].flatMap((field) => [text(field), decision(field)]),
  ]);
  const line = (row) => row.map((value, column) => cell(value, { keepLines: header[column] === "description" }));
  return [header, ...rows].map((row) => line(row).join(",")).join("\r\n") + "\r\n";
}

document.addEventListener("input", (event) => {
  const field = event.target.closest("fieldset");
  if (field && event.target.matches("textarea")) decide(field, "edit");
  if (field && event.target.matches("input")) decide(field, event.target.value);
  unsaved = true;
  tell();
});
function approve(some) {
  some.filter((field) => !decision(field)).forEach((field) => decide(field, "approve"));
  tell();
}

document.getElementById("approve-all").addEventListener("click", () => approve(fields));
for (const photo of photos) {
  const its = [...photo.querySelectorAll("fieldset")];
  photo.querySelector(".approve").addEventListener("click", () => approve(its));
}
document.getElementById("save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", table()], { type: "text/csv" }));
  link.download = "review-decided.csv";
  link.click();
  URL.revokeObjectURL(link.href);
  unsaved = false;
});
window.addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault();
});
tell();
