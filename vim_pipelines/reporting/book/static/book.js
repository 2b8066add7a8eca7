/* Charts, filters, sorting and copying. No fetch and no evaluated text: it works from disk and under `default-src 'self'`; Vega's expressions run in
   its interpreter (`ast`). Without this file the pages show pictures and whole tables. */
(function () {
  "use strict";
  var root = document.documentElement;
  var inBook = location.protocol.indexOf("http") === 0 && /\/book\//.test(location.pathname);
  var lists = [];

  /* Links to the inbox: on the host that serves the book, if it is the inbox that does. */
  if (inBook) document.querySelectorAll("a[data-inbox]").forEach(function (link) {
    var url = new URL(link.href);
    link.href = url.pathname + url.search;
  });

  document.querySelectorAll("[data-theme-toggle]").forEach(function (button) {
    button.addEventListener("click", function () {
      var now = root.getAttribute("data-theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
      var next = now === "dark" ? "light" : "dark";
      root.setAttribute("data-theme", next);
      try { localStorage.setItem("vim-theme", next); } catch (error) { /* it lasts for this page */ }
    });
  });

  document.querySelectorAll("[data-copy]").forEach(function (button) {
    button.addEventListener("click", function () {
      var code = button.parentNode.querySelector("code:not(summary code)") || button.parentNode.querySelector("pre code");
      var range = document.createRange();
      range.selectNodeContents(code);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      var done = function () { button.textContent = "Copied"; };
      if (navigator.clipboard) navigator.clipboard.writeText(code.textContent).then(done, function () { button.textContent = "Selected: copy it"; });
      else button.textContent = "Selected: copy it";
    });
  });

  /* Filters of a table: what the form says, with the choices that its rows have. */
  function List(form) {
    var list = this;
    this.form = form;
    this.table = document.getElementById(form.getAttribute("data-for").trim());
    this.rows = Array.prototype.slice.call(this.table.tBodies[0].rows);
    this.listeners = [];
    form.querySelectorAll("select").forEach(function (select) {
      var seen = {};
      list.rows.forEach(function (row) {
        (select.name === "month" ? (row.getAttribute("data-month") || "").split(" ") : [row.getAttribute("data-" + select.name)]).forEach(function (value) { if (value) seen[value] = true; });
      });
      var values = Object.keys(seen).sort();
      values.forEach(function (value) { select.add(new Option(value.replace(/_/g, " "), value)); });
      if (values.length < 2) select.parentNode.hidden = true;
    });
    form.addEventListener("submit", function (event) { event.preventDefault(); });
    form.addEventListener("input", function () { list.apply(); });
    form.addEventListener("reset", function () { setTimeout(function () { list.apply(); }, 0); });
    this.apply();
  }
  List.prototype.wanted = function () {
    var form = this.form, wanted = {};
    ["text", "csm", "segment", "band", "phase", "month"].forEach(function (name) { wanted[name] = form.elements[name] ? form.elements[name].value : ""; });
    return wanted;
  };
  List.prototype.set = function (name, value) {
    var field = this.form.elements[name];
    if (!field || field.value === value) return;
    field.value = value;
    this.apply();
  };
  List.prototype.apply = function () {
    var wanted = this.wanted(), left = 0;
    this.rows.forEach(function (row) {
      var fits = has(wanted, function (name) { return row.getAttribute("data-" + name) || ""; }) && row.textContent.toLowerCase().indexOf(wanted.text.toLowerCase()) >= 0;
      row.hidden = !fits;
      if (fits) left += 1;
    });
    this.form.querySelector(".count").textContent = left === this.rows.length ? left + " accounts" : left + " of " + this.rows.length + " accounts";
    this.listeners.forEach(function (listener) { listener(wanted); });
  };
  function has(wanted, of) {
    return ["csm", "segment", "band", "phase"].every(function (name) { return !wanted[name] || of(name) === wanted[name]; }) &&
      (!wanted.month || of("month").split(" ").indexOf(wanted.month) >= 0);
  }
  document.querySelectorAll("form.filters").forEach(function (form) { lists.push(new List(form)); });

  /* Tables that sort by a click or by Enter on a head. */
  document.querySelectorAll("table.sortable").forEach(function (table) {
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (head, place) {
      var button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      while (head.firstChild) button.appendChild(head.firstChild);
      head.appendChild(button);
      button.addEventListener("click", function () {
        var down = head.getAttribute("aria-sort") === "ascending" || (!head.hasAttribute("aria-sort") && head.getAttribute("data-type") === "number");
        var body = table.tBodies[0], rows = Array.prototype.slice.call(body.rows);
        var isNumber = head.getAttribute("data-type") === "number";
        var value = function (row) {
          var cell = row.cells[place], text = cell.hasAttribute("data-v") ? cell.getAttribute("data-v") : cell.textContent.trim();
          return isNumber ? parseFloat(text) : text.toLowerCase();
        };
        rows.sort(function (one, other) { var a = value(one), b = value(other); return (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1); });
        rows.forEach(function (row) { body.appendChild(row); });
        Array.prototype.forEach.call(table.tHead.rows[0].cells, function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
      });
    });
  });

  /* The charts. */
  function link(figure, view, spec) {
    var list = lists[0], name = figure.getAttribute("data-filters");
    if (!list) return;
    if (name) {
      var chosen = "";
      view.addEventListener("click", function (_, item) {
        var key = item && item.datum && item.datum.key ? String(item.datum.key) : "";
        list.set(name, key === chosen ? "" : key); /* the same bar again: all accounts */
      });
      list.listeners.push(function (wanted) {
        chosen = wanted[name];
        if (!chosen) view.data("pick_store", []).runAsync(); /* the form was cleared: so is the bar */
      });
    }
    var rows = spec.datasets && spec.datasets.accounts;
    if (rows) list.listeners.push(function (wanted) {
      view.data("accounts", rows.filter(function (row) { return has(wanted, function (field) { return row[field] || ""; }); })).resize().run();
    });
  }
  function draw(figure) {
    var holder = figure.querySelector("script.spec");
    var plot = figure.querySelector(".plot");
    var spec = JSON.parse(holder.textContent), place = document.createElement("div");
    place.className = "drawn";
    plot.parentNode.insertBefore(place, plot);
    return window.vegaEmbed(place, spec, {
      mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false, hover: false,
      tooltip: { disableDefaultStyle: true, theme: "book" }, loader: { target: "_self" }
    }).then(function (result) {
      plot.hidden = true;
      link(figure, result.view, spec);
      figure.setAttribute("data-drawn", "");
    }, function (error) { place.remove(); console.error(String(error)); });
  }
  if (window.vegaEmbed) Promise.all(Array.prototype.filter.call(document.querySelectorAll("figure.chart"), function (figure) {
    return figure.querySelector("script.spec");
  }).map(draw)).then(function () { root.setAttribute("data-ready", ""); });
  else root.setAttribute("data-ready", "");
})();
