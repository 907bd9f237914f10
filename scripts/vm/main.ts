/** `npm run vm -- <command…>`. The exit status is the command's; 125 when the machine itself failed. */
import { TsrunError } from '../../src/lib/errors.ts';
import { runInMachine } from './machine.ts';
import { parseVmOptions } from './options.ts';

try {
  if (process.getuid?.() !== 0) {
    throw new TsrunError('VM_NOT_ROOT', 'Cannot share the whole root file system: not root', {
      hint: 'run it as root',
    });
  }
  process.exitCode = await runInMachine(parseVmOptions(process.argv.slice(2), process.env));
} catch (error) {
  if (!(error instanceof TsrunError)) throw error;
  process.stderr.write(`vm: ${error.message}\n${error.hint === undefined ? '' : `hint: ${error.hint}\n`}`);
  process.exitCode = error.exitCode;
}
