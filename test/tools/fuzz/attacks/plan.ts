export interface AttackPlan {
  name: string;
}
