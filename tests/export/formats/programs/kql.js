// Parses queries with the parser of KQL that Microsoft publishes, against a table whose columns it is told. JSON in and out.
// In: {"table": name, "columns": [[name, type], ...], "queries": {name: KQL}}; out: {name: [what is wrong, ...]}.
const fs = require("fs");
const path = require("path");
const vm = require("vm");

const library = path.join(process.argv[2], "@kusto/language-service-next");
for (const file of ["bridge.min.js", "Kusto.Language.Bridge.min.js"]) {
  vm.runInThisContext(fs.readFileSync(path.join(library, file), "utf8"), file);
}
const { GlobalState, KustoCode, Symbols } = Kusto.Language;
const question = JSON.parse(fs.readFileSync(0, "utf8"));
const columns = question.columns.map((column) => column.join(":")).join(", ");
const table = new Symbols.TableSymbol.$ctor7(question.table, `(${columns})`, null);
const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.$ctor1("db", [table]));

const answer = {};
for (const [name, query] of Object.entries(question.queries)) {
  const found = KustoCode.ParseAndAnalyze(query, globals).GetDiagnostics();
  answer[name] = Array.from({ length: found.Count }, (_, place) => found.getItem(place).Message);
}
process.stdout.write(JSON.stringify(answer));
