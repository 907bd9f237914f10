/** The three steps that every new file system takes: fsopen, options, create. fsopen(2), fsconfig(2). */
import * as K from './constants.ts';
import type { Op } from './ops.ts';

/** In bytes: fsconfig(2) takes no longer value of an option; mount(2) takes a page of them. */
export const FSCONFIG_VALUE_MAX = 255;

/** The context is always the descriptor `fs`: a plan builds one file system at a time. */
export function setOption(key: string, value: string, why: string): Op {
  return { op: 'fsconfig', fs: 'fs', command: K.FSCONFIG_SET_STRING, key, value, why };
}

export function setFlag(key: string, why: string): Op {
  return { op: 'fsconfig', fs: 'fs', command: K.FSCONFIG_SET_FLAG, key, value: '', why };
}

export function setSource(source: string): Op {
  return setOption('source', source, 'The name that /proc/mounts shows for it.');
}

export function create(): Op {
  return {
    op: 'fsconfig',
    fs: 'fs',
    command: K.FSCONFIG_CMD_CREATE,
    key: '',
    value: '',
    why: 'All options are set: the file system comes into being.',
  };
}

/** What was picked by fspick(2) is changed. */
export function reconfigure(): Op {
  return {
    op: 'fsconfig',
    fs: 'fs',
    command: K.FSCONFIG_CMD_RECONFIGURE,
    key: '',
    value: '',
    why: 'All options are set: the file system changes.',
  };
}
