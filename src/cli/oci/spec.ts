/** `tsrun-oci spec`: a config.json to start from. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, TsrunError } from '../../lib/errors.ts';
import { starterSpec } from '../../runtime/bundle/starter-spec.ts';
import type { FlagTable, Syntax } from '../flags.ts';
import { type OciVerb, parseVerb } from './verb.ts';

const FLAGS = {
  bundle: {
    short: 'b',
    type: 'text',
    value: 'DIR',
    help: 'where to write config.json; the current directory when not given',
  },
  rootless: { type: 'switch', help: 'one for a user who is not root' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'spec', program: 'tsrun-oci' };

export const verb: OciVerb = {
  synopsis: 'spec [command options]',
  summary: 'create a new specification file',
  flags: FLAGS,
  run(args) {
    const { bundle, rootless } = parseVerb(FLAGS, args, SYNTAX, 0).flags;
    const owner = rootless ? { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 } : undefined;
    const facts = {
      possibleCpus: readFileSync('/sys/devices/system/cpu/possible', 'utf8'),
      unifiedCgroups: existsSync('/sys/fs/cgroup/cgroup.controllers'),
    };
    const text = `${JSON.stringify(starterSpec(facts, owner), undefined, '\t')}\n`;
    try {
      writeFileSync(join(bundle ?? '', 'config.json'), text, { flag: 'wx' });
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      throw new TsrunError('SPEC_EXISTS', 'File config.json exists. Remove it first', { cause: error });
    }
    return 0;
  },
};
