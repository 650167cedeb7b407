// Opens the report in the reader's language; the links stay for readers without scripts.
(() => {
  const links = [...document.querySelectorAll("main a")];
  const wanted = (navigator.languages || [navigator.language || ""]).map((l) => l.toLowerCase().split("-")[0]);
  const lang = (link) => link.getAttribute("href").split("/")[0];
  const best = wanted.map((w) => links.find((l) => lang(l) === w)).find(Boolean) || links[0];
  if (best && !location.hash) location.replace(best.href);
})();
