/** Writes native/lib/unpack-format.gen.h, so that no number of the batch format is typed in two languages. */
import { writeFileSync } from 'node:fs';
import { unpackFormatHeader } from '../src/image/unpack/format.ts';

writeFileSync(new URL('../native/lib/unpack-format.gen.h', import.meta.url), unpackFormatHeader());
