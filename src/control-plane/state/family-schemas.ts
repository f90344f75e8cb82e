import type { Family } from '../../http/family.ts';
import { createFamilySchema, createFaultRuleSchema } from '../fault-rule-schema.ts';
import {
  createFaultDetailsSchema,
  createFaultSchema,
  createListSchema,
  createTaskSchema,
} from '../response-schemas.ts';
import { createDocumentSchemas } from './document-schema.ts';

const created = new WeakMap<readonly Family[], ReturnType<typeof createSchemas>>();

/**
 * Returns the schemas that contain the names of the families. All emulators of a process share them, because zod takes
 * several milliseconds to create them.
 */
export function getFamilySchemas(families: readonly Family[]): ReturnType<typeof createSchemas> {
  const schemas = created.get(families) ?? createSchemas(families);
  created.set(families, schemas);
  return schemas;
}

function createSchemas(families: readonly Family[]) {
  // Shared, because a JSON Schema can have only one definition of an id.
  const familyName = createFamilySchema(families);
  const Fault = createFaultSchema(familyName);
  const Task = createTaskSchema(familyName);
  return {
    NewRule: createFaultRuleSchema(families, familyName),
    Fault,
    FaultDetails: createFaultDetailsSchema(familyName),
    Faults: createListSchema('faults', Fault),
    Task,
    Tasks: createListSchema('tasks', Task),
    /** The parts of the document of an export. */
    document: createDocumentSchemas(familyName),
  };
}
