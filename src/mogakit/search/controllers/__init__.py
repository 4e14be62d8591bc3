"""Controllers that learn where a reward is high: MnasNet's recurrent one with PPO, TuNAS's independent one."""
