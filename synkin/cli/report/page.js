// Sorts tables by a column, and copies text. A cell's data-value is the whole number behind what is shown.
for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => {
  const head = button.parentElement, place = head.cellIndex, body = head.closest("table").tBodies[0];
  const up = head.getAttribute("aria-sort") !== "ascending";
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const value = row => { const cell = row.cells[place]; return cell.dataset.value ?? cell.textContent; };
  const rows = [...body.rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === "" || y === "") return (x === "") - (y === "");
    const order = isNaN(x) || isNaN(y) ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
    return up ? order : -order;
  });
  body.append(...rows);
});
for (const button of document.querySelectorAll(".copy")) button.addEventListener("click", async () => {
  const text = button.parentElement.querySelector("pre");
  try { await navigator.clipboard.writeText(text.textContent); button.textContent = "Copied"; }
  catch { getSelection().selectAllChildren(text); button.textContent = "Selected: copy it"; }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
});
