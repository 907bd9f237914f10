/** Columns as Go's text/tabwriter makes them for runc: 12 wide at least, 3 spaces between. */
const MIN_WIDTH = 12;
const PADDING = 3;

export function formatGoTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, i) =>
    Math.max(MIN_WIDTH, ...all.map((row) => (row[i] ?? '').length + PADDING)),
  );
  return all
    .map(
      (row) =>
        `${row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('')}\n`,
    )
    .join('');
}
