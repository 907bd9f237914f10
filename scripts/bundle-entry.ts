/**
 * Where the bundle starts. It is its own small file because code is only taken from the compile cache when the
 * cache is on before that code is loaded. `portable` keys the cache by relative paths: dist/ may be moved.
 */
import { enableCompileCache } from 'node:module';

enableCompileCache({ directory: `${__dirname}/compile-cache`, portable: true });
require('./main.cjs');
