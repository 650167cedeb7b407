// Sorting, filtering and playing. The page reads and works without any of it.
(() => {
  "use strict";
  const body = document.body;

  const value = (row, index) => {
    const cell = row.cells[index];
    const given = cell.dataset.v;
    if (given === undefined) return cell.textContent.trim();
    return given === "" ? null : Number(given);
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), document.documentElement.lang));

  const sortBy = (table, index, up) => {
    const rows = [...table.tBodies[0].rows].map((row) => ({ row, key: value(row, index) }));
    rows.sort((a, b) => (a.key === null) - (b.key === null) || (a.key === null ? 0 : (up ? 1 : -1) * compare(a.key, b.key)));
    table.tBodies[0].append(...rows.map((r) => r.row));
    [...table.tHead.rows[0].cells].forEach((th, i) => {
      if (i === index) th.setAttribute("aria-sort", up ? "ascending" : "descending");
      else th.removeAttribute("aria-sort");
    });
  };

  document.querySelectorAll("table[data-sort]").forEach((table) => {
    [...table.tHead.rows[0].cells].forEach((th, index) => {
      if (th.classList.contains("wide")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = th.textContent;
      button.title = body.dataset.sortBy.replace("{column}", th.textContent);
      th.replaceChildren(button);
      button.addEventListener("click", () => sortBy(table, index, th.getAttribute("aria-sort") !== "ascending"));
    });
  });

  document.querySelectorAll("table[data-filter]").forEach((table) => {
    const input = document.getElementById(table.dataset.filter);
    const line = input.closest("p");
    line.hidden = false;
    const status = line.querySelector("[role=status]");
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      [...table.tBodies[0].rows].forEach((row) => {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((w) => text.includes(w));
        shown += row.hidden ? 0 : 1;
      });
      status.textContent = words.length ? body.dataset.found.replace("{n}", String(shown)) : "";
    });
  });

  const player = document.getElementById("player");
  if (!player) return;
  const audio = player.querySelector("audio");
  const status = player.querySelector("[role=status]");
  let current = null;
  let at = null;

  const seek = () => {
    if (at !== null && audio.readyState > 0) {
      audio.currentTime = at;
      at = null;
    }
  };
  const start = () => {
    const begun = audio.play();
    if (begun) begun.catch(() => {}); // the browser may ask for a click first; errors of the file come as events
  };
  const mark = (link) => {
    if (current) current.removeAttribute("aria-pressed");
    current = link;
    if (current) current.setAttribute("aria-pressed", "true");
  };
  const playAt = (src, seconds, what) => {
    player.hidden = false;
    body.classList.add("playing");
    status.textContent = player.dataset.playing.replace("{what}", () => what);
    at = seconds;
    if (audio.getAttribute("src") !== src) {
      audio.setAttribute("src", src);
      audio.load();
    }
    seek();
    start();
  };
  const play = (link) => {
    mark(link);
    playAt(link.dataset.src, Number(link.dataset.at) / 1000, `${link.dataset.call} · ${link.textContent}`);
  };
  audio.addEventListener("loadedmetadata", seek);
  audio.addEventListener("error", () => {
    status.textContent = player.dataset.failed;
  });
  player.querySelector("button").addEventListener("click", () => {
    audio.pause();
    player.hidden = true;
    body.classList.remove("playing");
    if (current) current.focus();
    mark(null);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.play");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (link === current && !audio.paused) audio.pause();
    else play(link);
  });
  const line = document.querySelector(".time[data-src]");
  if (line) {
    const part = (name) => Number(line.dataset[name]) / Number(line.dataset.width);
    const head = line.querySelector(".head");
    const seconds = Number(line.dataset.duration) / 1000;
    line.addEventListener("click", (event) => {
      const share = (event.clientX - line.getBoundingClientRect().left) / line.clientWidth;
      const where = Math.min(Math.max((share - part("left")) / (1 - part("left") - part("right")), 0), 1) * seconds;
      mark(null);
      playAt(line.dataset.src, where, line.dataset.call);
    });
    const turns = [...document.querySelectorAll("#transcript li[data-start]")];
    audio.addEventListener("timeupdate", () => {
      const now = audio.currentTime;
      head.hidden = false;
      head.style.left = `${(part("left") + Math.min(now / seconds, 1) * (1 - part("left") - part("right"))) * 100}%`;
      turns.forEach((li) => li.classList.toggle("now", now * 1000 >= Number(li.dataset.start) && now * 1000 < Number(li.dataset.end)));
    });
    // n and p walk through the evidence of the transcript
    document.addEventListener("keydown", (event) => {
      if ((event.key !== "n" && event.key !== "p") || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea")) return;
      const links = [...document.querySelectorAll("#transcript li.said a.play")];
      if (!links.length) return;
      const here = links.indexOf(document.activeElement);
      const next = links[(here + (event.key === "n" ? 1 : here < 0 ? 0 : -1) + links.length) % links.length];
      next.focus();
      play(next);
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === " " && event.target.matches("a.play")) {
      event.preventDefault();
      event.target.click();
    }
  });
})();
