/** Where the installed tsrun-oci starts: dist/tsrun-oci.cjs. */
import { runBundle } from './bundle-loader.ts';

runBundle(`${__dirname}/oci.cjs`, require);
