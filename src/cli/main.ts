/** Where `tsrun` starts. No top-level await: the bundle is CommonJS, which Node starts several milliseconds sooner. */
import { main } from './dispatch.ts';

main(process.argv.slice(2), process.env).then((status) => {
  process.exitCode = status;
});
