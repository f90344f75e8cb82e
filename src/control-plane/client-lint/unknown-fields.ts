import type { Entry } from '../../http/journal/entry.ts';
import type { Redact } from '../../http/redaction.ts';
import { append, createFindings, type LintFinding } from './findings.ts';

/** Maximum number of undocumented fields that have a finding of their own. */
const MAX_FIELD_FINDINGS = 100;

export function findUndocumentedFields(entries: readonly Entry[], redact: Redact): LintFinding[] {
  const entriesByMessage = new Map<string, Entry[]>();
  const entriesWithMore = new Set<Entry>();
  for (const entry of entries) {
    const { names, omittedCount } = entry.unknownFields;
    if (omittedCount > 0) entriesWithMore.add(entry);
    for (const name of names) {
      const field = entry.redactName(name, redact).replaceAll(/\[\d+\]/g, '[]');
      const message = `${redact(entry.path)} has no field ${field}.`;
      const known = entriesByMessage.get(message);
      if (!known && entriesByMessage.size === MAX_FIELD_FINDINGS) entriesWithMore.add(entry);
      else if (known?.at(-1) !== entry) append(entriesByMessage, message, entry);
    }
  }
  return [
    ...[...entriesByMessage].flatMap(([message, offendingEntries]) =>
      createFindings('UNDOCUMENTED_FIELD', message, offendingEntries),
    ),
    ...createFindings('UNDOCUMENTED_FIELD', 'Requests have further undocumented fields.', [...entriesWithMore]),
  ];
}
