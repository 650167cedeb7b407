// Judging: answers stay in the page until they are saved as a file. Nothing is sent anywhere.
(() => {
  "use strict";
  const save = document.getElementById("save");
  const done = document.getElementById("done");
  const reviewer = document.getElementById("reviewer");
  const items = [...document.querySelectorAll("article.judge")];
  const answer = (item) => (item.querySelector("input[type=radio]:checked") || { value: "" }).value;
  const cell = (text) => `"${(/^[=+\-@\t\r\n]/.test(text) ? "'" : "") + text.replaceAll('"', '""').replace(/[\r\n]+/g, " ")}"`;
  const tell = () => {
    const n = items.filter(answer).length;
    done.textContent = done.dataset.words.replace("{n}", String(n)).replace("{all}", String(items.length));
    save.disabled = n === 0 || reviewer.value.trim() === "";
  };
  document.addEventListener("change", tell);
  reviewer.addEventListener("input", tell);
  save.addEventListener("click", () => {
    const at = new Date().toISOString();
    const lines = items.filter(answer).map((item) =>
      [JSON.parse(item.dataset.callId), item.dataset.rule, answer(item), item.querySelector("input[type=text]").value, reviewer.value.trim(), at].map(cell).join(","));
    const file = new Blob(["\ufeffcall_id,rule,answer,note,reviewer,at\r\n", lines.join("\r\n"), "\r\n"], { type: "text/csv" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = `answers-${reviewer.value.trim().replace(/[^\p{L}\p{N}]+/gu, "-")}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });
  tell();
})();
