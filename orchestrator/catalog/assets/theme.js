"use strict";
/* Before anything is drawn, or a dark page would begin with a flash. */
try {
  const theme = localStorage.getItem("syncer.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* this browser keeps nothing for a page */ }
