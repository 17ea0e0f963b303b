import { FLOOR, GO_ARTICLE } from './c-and-go-contenders.ts';
import type { Contender } from './contender.ts';
import { JAVASCRIPT_CONTENDERS } from './javascript-contenders.ts';
import { VOLLEY } from './volley-contender.ts';

/** Everybody, volley first: the order of a turn and of the tables. */
export const CONTENDERS: readonly Contender[] = [VOLLEY, FLOOR, ...JAVASCRIPT_CONTENDERS, GO_ARTICLE];
