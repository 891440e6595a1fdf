/** All faults, in the order in which their groups are made. */
import type { FaultGroup } from './fault.ts';
import { rulesOfServices } from './groups/rules-of-services.ts';

export const suite: readonly FaultGroup[] = [rulesOfServices];
