/* Runs before the page is drawn: the scheme that the reader chose last, and that there are scripts at all. */
(function () {
  "use strict";
  var root = document.documentElement, chosen = null;
  root.classList.add("js");
  try { chosen = localStorage.getItem("vim-theme"); } catch (error) { /* a browser that keeps nothing */ }
  if (chosen === "light" || chosen === "dark") root.setAttribute("data-theme", chosen);
})();
