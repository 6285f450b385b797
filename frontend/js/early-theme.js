// A classic script in the head: the remembered theme has to stand before the first paint, or the page flashes.
try {
  const theme = localStorage.getItem("resdrop.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden; the system's own theme is then shown.
}
