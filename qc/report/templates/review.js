// Judging. From disk, answers stay in the page until they are saved as a file; from `qc review serve`, each goes to it at once.
(() => {
  "use strict";
  const saving = document.getElementById("saving");
  const save = document.getElementById("save");
  const done = document.getElementById("done");
  const reviewer = document.getElementById("reviewer");
  const items = [...document.querySelectorAll("article.judge")];
  const served = saving.dataset.served;
  const chosen = (item) => item.querySelector("input[type=radio]:checked");
  const answer = (item) => (chosen(item) || { value: "" }).value;
  const note = (item) => item.querySelector("input[type=text]").value;
  const shown = (item) => item.dataset.shown || (item.querySelector("details.machine[open]") ? "true" : "");
  const name = () => reviewer.value.trim();
  const cell = (text) => `"${(/^[=+\-@\t\r\n]/.test(text) ? "'" : "") + text.replaceAll('"', '""').replace(/[\r\n]+/g, " ")}"`;
  const tell = () => {
    const n = items.filter(answer).length;
    done.textContent = done.dataset.words.replace("{n}", String(n)).replace("{all}", String(items.length));
    if (save) save.disabled = n === 0 || name() === "";
  };

  items.forEach((item) => {
    const machine = item.querySelector("details.machine");
    if (machine) machine.addEventListener("toggle", () => { if (machine.open) item.dataset.shown = "true"; });
  });

  const send = async (item) => {
    const state = item.querySelector(".state");
    if (!answer(item)) return;
    if (!name()) {
      state.textContent = saving.dataset.need;
      reviewer.focus();
      return;
    }
    const value = { call_id: JSON.parse(item.dataset.callId), rule: item.dataset.rule, answer: answer(item), note: note(item), reviewer: name(), shown: shown(item) };
    try {
      const reply = await fetch(served, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });
      const said = await reply.json();
      if (!reply.ok) throw new Error(said.error);
      state.textContent = saving.dataset.saved;
      item.classList.add("saved");
    } catch (error) {
      state.textContent = saving.dataset.failed.replace("{why}", () => error.message);
      item.classList.remove("saved");
    }
  };
  const recall = async () => {
    if (!name()) return;
    const reply = await fetch(`${saving.dataset.answers}?reviewer=${encodeURIComponent(name())}`);
    if (!reply.ok) return;
    const given = new Map((await reply.json()).answers.map((a) => [JSON.stringify([a.call_id, a.rule]), a]));
    items.forEach((item) => {
      const a = given.get(JSON.stringify([JSON.parse(item.dataset.callId), item.dataset.rule]));
      const radio = a && [...item.querySelectorAll("input[type=radio]")].find((r) => r.value === a.answer);
      if (!radio || answer(item)) return;
      radio.checked = true;
      item.querySelector("input[type=text]").value = a.note;
      item.querySelector(".state").textContent = saving.dataset.saved;
      item.classList.add("saved");
    });
    items.filter((item) => answer(item) && !item.classList.contains("saved")).forEach(send);
    tell();
  };

  document.addEventListener("change", (event) => {
    tell();
    const item = event.target.closest("article.judge");
    if (served && item) send(item);
    if (served && event.target === reviewer) recall();
  });
  reviewer.addEventListener("input", tell);
  if (save) save.addEventListener("click", () => {
    const at = new Date().toISOString();
    const lines = items.filter(answer).map((item) =>
      [JSON.parse(item.dataset.callId), item.dataset.rule, answer(item), note(item), name(), at, shown(item)].map(cell).join(","));
    const file = new Blob(["\ufeffcall_id,rule,answer,note,reviewer,at,shown\r\n", lines.join("\r\n"), "\r\n"], { type: "text/csv" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = `answers-${name().replace(/[^\p{L}\p{N}]+/gu, "-")}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });

  let at = -1;
  const go = (to) => {
    at = Math.min(Math.max(to, 0), items.length - 1);
    items.forEach((item, i) => item.classList.toggle("current", i === at));
    items[at].focus({ preventScroll: true });
    items[at].scrollIntoView({ block: "start" });
  };
  document.addEventListener("focusin", (event) => {
    const i = items.indexOf(event.target.closest("article.judge"));
    if (i >= 0) at = i;
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input[type=text]") || !items.length) return;
    if (event.key === "j" || event.key === "k") go(at + (event.key === "j" ? 1 : -1));
    const item = items[at];
    if (!item) return;
    const radio = item.querySelector(`input[data-key="${CSS.escape(event.key)}"]`);
    const machine = item.querySelector("details.machine");
    const play = item.querySelector("a.play");
    if (radio) radio.click();
    else if (event.key === "p" && play) play.click();
    else if (event.key === "e" && machine) machine.open = !machine.open;
  });
  tell();
})();
