/** Asks for a job at the bus whose socket is named first, and prints what became of it: the call waits without an event loop. */
import { stopScope } from '../../src/cgroup/systemd.ts';
import { runSystemdJob } from '../../src/kernel/dbus-door.ts';
import { TsrunError } from '../../src/lib/errors.ts';

try {
  runSystemdJob(process.argv[2] ?? '', stopScope('x.scope'), 'stop it');
  process.stdout.write('done');
} catch (error) {
  if (!(error instanceof TsrunError)) throw error;
  process.stdout.write(error.message);
}
