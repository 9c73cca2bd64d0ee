// Writes docs/rules.schema.json, for editors and other tools, from the form that the module validates (`npm run rules:schema`).
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod/mini';
import { rulesFile } from '../module/rulesFile/schema.ts';
import { ROOT } from '../testkit/folders.ts';

export const SCHEMA_FILE = join(ROOT, 'docs/rules.schema.json');

/** The text of the file. */
export function schemaText(): string {
  const schema = { title: 'rules.json of pm2-ops', ...z.toJSONSchema(rulesFile, { io: 'input' }) };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(SCHEMA_FILE, schemaText());
