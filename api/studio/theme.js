// Runs before the page is drawn, so that it never flashes in the wrong light. A classic script for that reason.
(() => {
  const KEPT_AS = "safelight.theme";
  const prefersLight = matchMedia("(prefers-color-scheme: light)");
  const kept = () => {
    try {
      return localStorage.getItem(KEPT_AS);
    } catch {
      return null; // a private window may refuse
    }
  };
  const put = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
  };
  const turn = () => {
    const system = prefersLight.matches ? "light" : "dark";
    const now = document.documentElement.dataset.theme ?? system;
    const next = now === "light" ? "dark" : "light";
    put(next);
    try {
      if (next === system)
        localStorage.removeItem(KEPT_AS); // back in step with the system
      else localStorage.setItem(KEPT_AS, next);
    } catch {
      // then it holds until the page is closed
    }
  };
  put(kept());
  window.safelightTheme = { turn };
})();
