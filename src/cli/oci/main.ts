/** Where `tsrun-oci` starts: the command line that engines know from runc. */
import { main } from './dispatch.ts';

main(process.argv.slice(2), process.env).then((status) => {
  process.exitCode = status;
});
