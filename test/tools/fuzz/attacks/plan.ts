import type { AttackName } from './scenarios.ts';

/** An attack with its choices, which the seed determines. */
export interface AttackPlan {
  name: AttackName;
  /** Consumed in order by the choices that the scenario makes. */
  choices: number[];
}

/** Returns a function that picks one item of a list, as the plan says. */
export function createPicker({ choices }: AttackPlan): <T>(list: readonly T[]) => T {
  let index = 0;
  return (list) => list[choices[index++ % choices.length]! % list.length]!;
}

/** The attack with a given number: consecutive attacks have different names. */
export function createAttackPlan(
  names: readonly AttackName[],
  { seed, number, choices }: { seed: number; number: number; choices: number[] },
): AttackPlan {
  return { name: names[(seed + number) % names.length]!, choices };
}
