// The inbox's keys. Without this file everything works with links, buttons and Tab; this only puts the focus where a key says.
(() => {
  "use strict";

  const typing = (element) => element && (element.matches("input:not([type=checkbox]), textarea, select") || element.isContentEditable);
  const links = () => [...document.querySelectorAll("table[data-keys=queue] a.open")];

  const move = (by) => {
    const all = links();
    if (!all.length) return;
    const row = document.activeElement.closest && document.activeElement.closest("tr");
    const at = row ? all.findIndex((link) => row.contains(link)) : -1;
    const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  };

  const act = (key) => {
    const control = document.querySelector(`[data-key="${key}"]`);
    if (!control) return false;
    if (control.tagName === "SUMMARY") {
      document.querySelectorAll("details.answer[open]").forEach((other) => { if (other !== control.parentElement) other.open = false; });
      control.parentElement.open = true;
      const field = control.parentElement.querySelector("textarea");
      (field || control).focus();
    } else if (control.dataset.go !== undefined || key === "u") {
      control.click();
    } else {
      control.focus();
    }
    control.scrollIntoView({ block: "nearest" });
    return true;
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const element = document.activeElement;
    if (element && element.matches("textarea.enter") && event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      element.form.requestSubmit();
      return;
    }
    if (event.key === "Escape" && typing(element)) { element.blur(); return; }
    if (typing(element)) return;
    let done = true;
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "?") location.assign("/help");
    else if (event.key === "x" && element && element.closest("table[data-keys=queue] tr")) {
      const box = element.closest("tr").querySelector("input[type=checkbox]");
      if (box) box.click(); else done = false;
    } else if ("aecru".includes(event.key) && event.key.length === 1) {
      const row = element && element.closest && element.closest("table[data-keys=queue] tr");
      // In the queue the key opens the item and goes on there.
      if (row && event.key !== "u") location.assign(row.querySelector("a.open").href + "#key-" + event.key);
      else done = act(event.key);
    } else done = false;
    if (done) event.preventDefault();
  });

  // One press, one decision: a second press while the answer is on its way does nothing.
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.target.method !== "post") return;
    if (event.target.dataset.sent) { event.preventDefault(); return; }
    event.target.dataset.sent = "yes";
    setTimeout(() => { delete event.target.dataset.sent; }, 5000);
  });

  document.addEventListener("DOMContentLoaded", () => {
    const asked = /^#key-([aecr])$/.exec(location.hash);
    if (asked) { history.replaceState(null, "", location.pathname + location.search); act(asked[1]); return; }
    if (new URLSearchParams(location.search).has("done")) move(1);  // after a decision the next one has the focus
  });
})();
