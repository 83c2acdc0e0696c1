"use strict";
// Draw the figures, and give them the page's colours again whenever those change (light, dark, print).
(() => {
  const plots = JSON.parse(document.getElementById("plots").textContent);
  const narrow = window.matchMedia("(max-width: 640px)");

  const themed = (layout) => {
    const css = getComputedStyle(document.documentElement);
    const colour = (name) => css.getPropertyValue(name).trim();
    const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--line"), gridwidth: 1 };
    const changed = {
      ...layout,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { ...layout.font, family: css.fontFamily, color: colour("--ink") },
      hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--line"), align: "left", font: { color: colour("--ink") } },
      xaxis: { ...layout.xaxis, ...axis },
      yaxis: { ...layout.yaxis, ...axis },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: colour("--ink") },
      dragmode: layout.coloraxis && !narrow.matches ? "pan" : false,
    };
    if (layout.coloraxis && narrow.matches) {
      const bar = { ...layout.coloraxis.colorbar, orientation: "h", x: 0.5, y: -0.02, yanchor: "top", len: 1 };
      changed.coloraxis = { ...layout.coloraxis, colorbar: { ...bar, title: { text: "difficulty", side: "top" } } };
    }
    return changed;
  };

  const inked = (traces) => {
    const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();
    // Bars carry their intervals in the page's ink, for they lie half on the bar; points in their own colour.
    return traces.map((trace) => (trace.type === "bar" && trace.error_x ? { ...trace, error_x: { ...trace.error_x, color: ink } } : trace));
  };

  const draw = () => {
    for (const [name, plot] of Object.entries(plots)) {
      const place = document.getElementById(`plot-${name}`);
      const config = { responsive: true, displaylogo: false, displayModeBar: plot.layout.coloraxis && !narrow.matches ? "hover" : false };
      // Named one by one, and no upload: the default bar offers to send the figure to a server.
      config.showSendToCloud = false;
      config.modeBarButtons = [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]];
      window.Plotly.react(place, inked(plot.data), themed(plot.layout), config);
    }
  };

  // The points of a figure as rows, intervals as the ends of their bars.
  const rows = ({ data }) => {
    const named = ["series", "x", "y", "low", "high", "label"];
    const found = data.flatMap((trace) => {
      const [along, bars] = trace.error_x ? ["x", trace.error_x] : ["y", trace.error_y];
      const xs = values(trace.x), ys = values(trace.y);
      return ys.map((y, at) => {
        const middle = along === "x" ? xs[at] : y;
        const ends = bars ? [middle - values(bars.arrayminus)[at], middle + values(bars.array)[at]] : ["", ""];
        return [trace.name ?? "", xs[at], y, ...ends, Array.isArray(trace.text) ? trace.text[at] : ""];
      });
    });
    return [named, ...found.filter((row) => row[1] !== null)];
  };

  // Plotly packs long columns of numbers as base64.
  const values = (column) => {
    if (!column?.bdata) return [...(column ?? [])];
    const kinds = { f8: Float64Array, f4: Float32Array, i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, u4: Uint32Array };
    return [...new kinds[column.dtype](Uint8Array.from(atob(column.bdata), (letter) => letter.charCodeAt(0)).buffer)];
  };

  const plain = new DOMParser();
  const cell = (value) => {
    const text = typeof value === "string" ? plain.parseFromString(value.replaceAll("<br>", " "), "text/html").body.textContent : String(value ?? "");
    // A leading sign of a formula would be run by a spreadsheet.
    const safe = typeof value === "string" ? text.replace(/^[=+@\t\r-]/, "'$&") : text;
    return `"${safe.replaceAll('"', '""')}"`;
  };

  const save = (name, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  };

  const button = (label, told, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = label;
    if (told) made.setAttribute("aria-label", told);
    made.addEventListener("click", act);
    return made;
  };

  for (const [name, plot] of Object.entries(plots)) {
    const place = document.getElementById(`plot-${name}`);
    // Kept free from the start; and a window that changes its size makes a figure take the height of its place.
    place.style.height = `${plot.layout.height}px`;
    const bar = document.createElement("div");
    bar.className = "downloads";
    bar.append(
      button("PNG", `Download the figure ${name} as PNG`, () => { load(); window.Plotly.downloadImage(place, { format: "png", scale: 2, filename: name }); }),
      button("CSV", `Download the figure ${name} as CSV`, () => save(`${name}.csv`, rows(plot).map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n")),
    );
    place.after(bar);
  }

  // Every table sorts by a column: by data-sort where cells have it, else by the number or the text that they show.
  const key = (row, column) => {
    const found = row.cells[column];
    const text = (found.dataset.sort ?? found.textContent).trim();
    const number = Number(text.replaceAll(",", "").replace(/^\$|%$/g, ""));
    return text === "" ? null : Number.isNaN(number) ? text : number;
  };

  const order = (one, other) => {
    if (one === null || other === null) return 0;
    if (typeof one === "number" && typeof other === "number") return one - other;
    return String(one).localeCompare(String(other), undefined, { numeric: true });
  };

  for (const table of document.querySelectorAll("table")) {
    const body = table.tBodies[0];
    if (!table.tHead || body.rows.length < 2) continue;
    for (const head of table.tHead.rows[0].cells) {
      const sort = button("", null, () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const found = [...body.rows].map((row) => [key(row, head.cellIndex), row]);
        const empty = ([value]) => value === null;
        found.sort((one, other) => empty(one) - empty(other) || (down ? -1 : 1) * order(one[0], other[0]));
        body.append(...found.map(([, row]) => row));
      });
      sort.append(...head.childNodes);
      head.append(sort);
    }
  }

  // Reading the figures' library takes longer than all else together: texts and tables can be used before it.
  const load = () => {
    if (window.Plotly) return;
    const library = document.createElement("script");
    library.textContent = document.getElementById("plotly").textContent;
    document.head.append(library);
    draw();
    for (const query of ["(prefers-color-scheme: dark)", "print"]) {
      window.matchMedia(query).addEventListener("change", draw);
    }
    narrow.addEventListener("change", draw);
  };
  window.addEventListener("beforeprint", load);
  requestAnimationFrame(() => setTimeout(load));
})();
