/** Writes native/plan-ops.gen.h from the op table, so that no number is typed in two languages. */
import { writeFileSync } from 'node:fs';
import { planHeader } from '../src/kernel/plan-header.ts';

writeFileSync(new URL('../native/plan-ops.gen.h', import.meta.url), planHeader());
