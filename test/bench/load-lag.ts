/** `load-lag.ts ARCHIVE DATA-ROOT`: loads an image, and prints the 99th percentile of the event loop's lag in milliseconds. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { openImageStore } from '../../src/image/store.ts';
import { hostPath } from '../../src/lib/brands.ts';

const RESOLUTION_MS = 1;

const [archive = '', root = ''] = process.argv.slice(2);
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
await openImageStore(hostPath(root)).load({ path: hostPath(archive) });
delay.disable();
// What is measured includes the interval of the timer itself.
console.log(delay.percentile(99) / 1e6 - RESOLUTION_MS);
