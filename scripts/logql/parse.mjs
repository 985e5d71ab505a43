// Parses LogQL: parse.mjs QUERIES, a file with [[where, query], …]. Exits 1 when one of them is not LogQL, and says where.
import { readFileSync } from "node:fs";
import { parser } from "@grafana/lezer-logql";

const queries = JSON.parse(readFileSync(process.argv[2], "utf8"));
let faults = 0;
for (const [where, query] of queries) {
  let error = query.trim() ? null : 0;
  parser.parse(query).iterate({ enter: (node) => void (node.type.isError && error === null && (error = node.from)) });
  if (error !== null) {
    console.log(`${where}: not LogQL at ${JSON.stringify(query.slice(error, error + 30))} in ${query}`);
    faults += 1;
  }
}
if (!queries.length) {
  console.log("there is no LogQL to parse");
  faults += 1;
}
process.exit(faults ? 1 : 0);
