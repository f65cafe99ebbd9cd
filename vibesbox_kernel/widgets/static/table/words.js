// Figures in words, as the kernel's text tables have them.
const duration = (seconds) => {
  const total = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  if (total < 60) return `${total} s`;
  if (total < 3600) return `${Math.floor(total / 60)}m ${two(total % 60)}s`;
  if (total < 86400) return `${Math.floor(total / 3600)}h ${two(Math.floor(total / 60) % 60)}m`;
  return `${Math.floor(total / 86400)}d ${two(Math.floor(total / 3600) % 24)}h`;
};
const bytes = (count) => {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  while (count >= 999.5 && step + 1 < units.length) [count, step] = [count / 1000, step + 1];
  return `${step && count < 9.95 ? count.toFixed(1) : Math.round(count)} ${units[step]}`;
};
// … and back, to sort by them.
const secondsOf = (words) => {
  const unit = { s: 1, m: 60, h: 3600, d: 86400 };
  return [...words.matchAll(/([\d.]+) ?([smhd])/g)].reduce((sum, [, number, name]) => sum + number * unit[name], 0);
};
const bytesOf = (words) => {
  const match = /^([\d.]+) (k|M|G|T)?B$/.exec(words);
  return match ? match[1] * 1000 ** ["", "k", "M", "G", "T"].indexOf(match[2] ?? "") : -1;
};

const refOf = (row) => row.name || (row.pid ? `pid ${row.pid}` : row.id.slice(0, 8));
