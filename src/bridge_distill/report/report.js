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
    return traces.map((trace) => (trace.error_x ? { ...trace, error_x: { ...trace.error_x, color: ink } } : trace));
  };

  const draw = () => {
    for (const [name, plot] of Object.entries(plots)) {
      const place = document.getElementById(`plot-${name}`);
      const config = { responsive: true, displaylogo: false, displayModeBar: plot.layout.coloraxis && !narrow.matches ? "hover" : false };
      // Named one by one, and no upload: the default bar offers to send the figure to a server.
      config.showSendToCloud = false;
      config.modeBarButtons = [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]];
      Plotly.react(place, inked(plot.data), themed(plot.layout), config);
    }
  };

  draw();
  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    window.matchMedia(query).addEventListener("change", draw);
  }
  narrow.addEventListener("change", draw);
})();
