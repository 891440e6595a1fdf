/** All faults, in the order in which their groups are made. */
import type { FaultGroup } from './fault.ts';
import { apiObjects } from './groups/api-objects.ts';
import { rulesOfServices } from './groups/rules-of-services.ts';

export const suite: readonly FaultGroup[] = [rulesOfServices, apiObjects];
