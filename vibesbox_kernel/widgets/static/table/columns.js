// The columns, what they are sorted by, and the states that the table is filtered by.

const COLUMNS = [
  { key: "state", title: "State" },
  { key: "name", title: "Name" },
  { key: "pid", title: "PID", number: true },
  { key: "elapsed", title: "Elapsed", number: true },
  { key: "cpu", title: "CPU", number: true, hint: "CPU time of the whole tree; the line is its use in the last minute" },
  { key: "memory", title: "Memory", number: true, hint: "Resident memory of the whole tree; the line is the last minute" },
  { key: "output", title: "Output", number: true, hint: "Size of the output so far" },
  { key: "exit", title: "Exit", hint: "Exit status of the first process" },
  { key: "where", title: "From", hint: "The program that it was started in" },
  { key: "command", title: "Command" },
];
const STATES = [
  ["", "all states"],
  ["alive", "not ended"],
  ["running", "running"],
  ["waiting", "waiting"],
  ["queued", "queued"],
  ["succeeded", "succeeded"],
  ["failed", "failed"],
  ["ended", "killed or lost"],
];

// What rows are sorted by; ``elapsed`` says for how many seconds one has run.
const makeSortKeys = (elapsed) => ({
  began: (row) => row.began,
  state: (row) => row.word,
  name: (row) => row.name.toLowerCase() || "\uffff",
  pid: (row) => Number(row.pid || Infinity),
  elapsed,
  cpu: (row) => secondsOf(row.cpu),
  memory: (row) => bytesOf(row.memory),
  output: (row) => bytesOf(row.output),
  exit: (row) => (row.exit === "" ? "\uffff" : row.exit),
  where: (row) => row.where,
  command: (row) => row.command,
});
