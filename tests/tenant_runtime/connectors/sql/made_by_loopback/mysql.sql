CREATE TABLE `Customer` (`id` INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `name` VARCHAR(255) NOT NULL, `email` VARCHAR(100) NULL, `age` INT NULL, `score` DOUBLE NULL,
  `price` decimal(12,3) NULL, `big` BIGINT NULL, `active` TINYINT(1) NULL, `born` DATETIME NULL,
  `seen` DATETIME(3) NULL, `profile` TEXT NULL, `tags` TEXT NULL, `any` TEXT NULL, `place` POINT NULL,
  `notes` TEXT NULL, `the_code` CHAR(8) NULL, `firstName` VARCHAR(512) NULL,
  `nullableNo` VARCHAR(512) NOT NULL, `j` JSON NULL,
  UNIQUE INDEX `name_age` (`name`,`age` DESC), INDEX `name` (`name`), UNIQUE INDEX `email` (`email`));
CREATE TABLE `Pair` (`a` INT NOT NULL, `b` VARCHAR(255) NOT NULL, `v` VARCHAR(512) NULL, PRIMARY KEY(`a`,`b`));
CREATE TABLE `orders` (`id` INT NOT NULL AUTO_INCREMENT PRIMARY KEY, `customerId` INT NULL);
ALTER TABLE `orders` ADD CONSTRAINT `fk_order` FOREIGN KEY (`customerId`) REFERENCES `Customer`(`id`);
