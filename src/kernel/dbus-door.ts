/** A job of systemd from the command itself: what is removed without a plan. What a container's start asks for is in its plan. */
import { getSystemErrorName } from 'node:util';
import { TsrunError } from '../lib/errors.ts';
import { type DbusRequest, encodeCalls } from './dbus.ts';
import { native } from './native.ts';

/** native/common/systemd-job.h: SYSTEMD_TEXT_SIZE */
const TEXT_BYTES = 200;

/**
 * Calls the methods on the bus whose socket is `bus`, and waits for the end of the job that the last call starts. Nothing is
 * done when there is no such unit any more. `tried` completes "Cannot …".
 */
export function runSystemdJob(bus: string, request: DbusRequest, tried: string): void {
  const { bytes } = encodeCalls(request);
  const text = Buffer.alloc(TEXT_BYTES);
  const result = native().tsr_systemd_job(bus, bytes, bytes.length, text, text.length);
  if (result >= 0) return;
  const words = text.toString('utf8', 0, text.indexOf(0));
  const errno = getSystemErrorName(result);
  if (errno === 'ENOENT' && words !== '') return;
  throw words === ''
    ? new TsrunError('SYSTEMD', `Cannot ${tried}: D-Bus at ${bus}: ${errno}`, {
        hint: 'systemctl status dbus.socket says whether it runs',
      })
    : new TsrunError('SYSTEMD', `Cannot ${tried}: ${words}`);
}
